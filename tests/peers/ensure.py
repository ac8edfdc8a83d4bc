"""Makes sure that the real servers the tests need are there: Debian packages, installed when root and missing."""

import os
import shutil
import subprocess
import sys

PACKAGES = {"nsd": "nsd", "dovecot": "dovecot-imapd"}
"""Command -> the Debian package that brings it. All other servers come from PyPI with the test environment."""

PATH = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"


def missing() -> list[str]:
    """The packages whose command is not there."""
    return [package for command, package in PACKAGES.items() if shutil.which(command, path=PATH) is None]


def install(packages: list[str]) -> int:
    """apt-get them. The list of packages may be old or absent, so it is fetched once first."""
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive", "PATH": PATH}
    # A package that starts its daemon on installation would take port 53; the tests start their own on a free port.
    apt = ["apt-get", "-qq", "-o", "DPkg::Lock::Timeout=120"]
    subprocess.run([*apt, "update"], env=environment, check=False, stdout=subprocess.DEVNULL)
    command = [*apt, "install", "-y", "--no-install-recommends", *packages]
    return subprocess.run(command, env=environment, check=False, stdout=subprocess.DEVNULL).returncode


def main() -> int:
    wanted = missing()
    if not wanted:
        return 0
    names = " ".join(wanted)
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        print(
            f"The tests need these servers, as Debian packages: {names}\n  sudo apt-get install {names}",
            file=sys.stderr,
        )
        return 1
    print(f"installing the servers that the tests need: {names}")
    if install(wanted) != 0 or missing():
        print(f"could not install {names}; install it by hand and run again", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
