"""`make faults`: every fault this machine can make, for real, beside what resembles it, and what analyzerd says."""
