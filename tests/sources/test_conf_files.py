"""Configuration files are found where nginx and systemd would find them, and nowhere else."""

from __future__ import annotations

from pathlib import Path

from analyzerd.sources.conf_files import gunicorn_units, read_nginx, unit_given, unit_here


def write(path: Path, text: str) -> Path:
    """Write a file and the folders above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def server(port: int) -> str:
    """A site that passes on to a port."""
    return f"server {{ location / {{ proxy_pass http://127.0.0.1:{port}; }} }}"


def test_includes_are_followed_in_order_relative_to_the_main_file(tmp_path: Path) -> None:
    """Of this machine also absolute ones; a pattern that matches nothing includes nothing."""
    main = write(
        tmp_path / "nginx.conf", f"http {{ include conf.d/*.conf; include none.d/*; include {tmp_path}/abs.conf; }}"
    )
    write(tmp_path / "conf.d" / "b.conf", server(2))
    write(tmp_path / "conf.d" / "a.conf", server(1))
    write(tmp_path / "abs.conf", server(3))
    (tmp_path / "none.d").mkdir()
    conf = read_nginx(main, here=True)
    assert conf is not None
    assert [route.servers for route in conf.routes] == [("127.0.0.1:1",), ("127.0.0.1:2",), ("127.0.0.1:3",)]
    assert conf.unread == ()


def test_a_configuration_from_elsewhere_does_not_read_this_machines_files(tmp_path: Path) -> None:
    """Only what was copied beside it, or was given too."""
    here = write(tmp_path / "here.conf", server(9))
    main = write(tmp_path / "copied" / "nginx.conf", f"http {{ include {here}; include /etc/nginx/sites-enabled/*; }}")
    conf = read_nginx(main, here=False)
    assert conf is not None
    assert (conf.routes, conf.unread) == ((), (str(here), "/etc/nginx/sites-enabled/*"))
    other = write(tmp_path / "elsewhere" / "shop", server(8))
    given = read_nginx(main, here=False, others=[other])
    assert given is not None
    assert [route.servers for route in given.routes] == [("127.0.0.1:8",)]


def test_no_configuration_is_none_and_a_device_is_no_file(tmp_path: Path) -> None:
    """A missing file, a folder, a device, an endless file."""
    assert read_nginx(tmp_path / "gone.conf", here=True) is None
    assert read_nginx(tmp_path, here=True) is None
    assert read_nginx(Path("/dev/zero"), here=True) is None
    assert read_nginx(write(tmp_path / "large.conf", "#" * (2 << 20)), here=True) is None


def test_a_unit_is_found_as_systemd_finds_it(tmp_path: Path) -> None:
    """The strongest folder's file, then drop-ins by name over all folders, an instance by its template."""
    etc, lib = tmp_path / "etc", tmp_path / "lib"
    write(lib / "app@.service", "[Service]\nUser=lib\n")
    write(lib / "app@.service.d" / "10-a.conf", "lib 10")
    write(etc / "app@.service.d" / "10-a.conf", "etc 10")
    write(etc / "app@1.service.d" / "05-b.conf", "etc 05")
    write(lib / "service.d" / "20-c.conf", "all 20")
    read = unit_here("app@1.service", (etc, lib))
    assert [text for _, text in read] == ["[Service]\nUser=lib\n", "etc 05", "etc 10", "all 20"]
    assert unit_here("gone.service", (etc, lib)) == ()


def test_units_that_start_gunicorn_are_found_by_their_command(tmp_path: Path) -> None:
    """Not by their name, and not by a word in a comment."""
    write(tmp_path / "shop.service", "[Service]\nExecStart=/v/bin/gunicorn a:b\n")
    write(tmp_path / "gunicorn-backup.service", "# gunicorn\n[Service]\nExecStart=/bin/backup\n")
    assert gunicorn_units((tmp_path, tmp_path / "none")) == ("shop.service",)


def test_a_unit_that_was_given_brings_its_drop_ins(tmp_path: Path) -> None:
    """Those beside it, and those named too."""
    unit = write(tmp_path / "shop.service", "main")
    write(tmp_path / "shop.service.d" / "a.conf", "beside")
    other = write(tmp_path / "x" / "shop.service.d" / "b.conf", "given")
    foreign = write(tmp_path / "x" / "other.service.d" / "b.conf", "foreign")
    assert [text for _, text in unit_given(unit, [other, foreign])] == ["main", "beside", "given"]
