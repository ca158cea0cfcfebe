"""Readings of the machine: processes, listeners, cgroups, disks, the host. Only reads."""
