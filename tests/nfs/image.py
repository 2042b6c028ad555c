# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the guest is made of: Debian's kernel for clouds, and the test hosts' image as its disk.

A container shares the machine's kernel, which need not have an NFS client. A guest has its own.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from tests.hosts import image as hosts
from tests.hosts.image import Run, podman
from tests.tools import needs
from tests.tools.tree import CACHE

HERE = Path(__file__).resolve().parent
#: What the guest has beside what test hosts have. It reaches no mirror, so that what the role
#: installs is there already.
PACKAGES = ("ifupdown", "kmod", "netbase", "nfs-common", "openssh-server")
#: Fetched and unpacked, not installed. The first names the current kernel.
KERNEL, BUSYBOX = "linux-image-cloud-amd64", "busybox-static"
#: Drivers that are needed before there is a disk to load them from.
MODULES = ("virtio_pci", "virtio_blk", "virtio_net", "ext4")
#: Units that wait for devices, which nobody announces without udev.
MASKED = ("serial-getty@ttyS0.service", "dev-ttyS0.device", "apt-daily-upgrade.timer")
#: Addresses of QEMU's own network: the guest, and the loopback of this machine as it sees it.
ADDRESS, GATEWAY = "10.0.2.15", "10.0.2.2"
_FILES = {
    "etc/hostname": "guest\n",
    "etc/hosts": "127.0.0.1 localhost guest\n",
    "etc/fstab": "/dev/vda / ext4 defaults 0 0\n",
    "etc/network/interfaces": (
        "auto lo\niface lo inet loopback\n"
        f"auto eth0\niface eth0 inet static\n  address {ADDRESS}/24\n  gateway {GATEWAY}\n"
    ),
}
_SIZE = "2G"


@dataclass(frozen=True)
class Image:
    """Files that a guest is started from; none of them is changed by that."""

    place: Path

    @property
    def kernel(self) -> Path:
        """The kernel."""
        return self.place / "kernel"

    @property
    def initrd(self) -> Path:
        """The initial RAM disk, without keys."""
        return self.place / "initrd"

    @property
    def disk(self) -> Path:
        """The disk, as an ext4 file system."""
        return self.place / "disk"


def check_machine() -> None:
    """Tell whether this machine can have a guest.

    :raises Unavailable: it can not
    """
    hosts.check_machine()
    if os.uname().machine != "x86_64":
        raise hosts.Unavailable("the guest is an x86_64 one, and far too slow elsewhere")


def build(run: Run) -> Image:
    """Return what a guest is made of; make it if it is not there.

    :raises Unavailable: this machine can not make it
    """
    check_machine()
    base = hosts.build(run)
    lacking = needs.provide("nfs", run)
    if lacking:
        raise hosts.Unavailable(needs.sentence("nfs", lacking))
    image = Image(CACHE / "guest" / _digest(base))
    if image.place.is_dir():
        return image
    image.place.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=image.place.parent, prefix="making-") as directory:
        work = Path(directory)
        made = Image(work / "made")
        made.place.mkdir()
        needs.update(run)
        kernel, busybox = _unpacked(run, work, _kernel_package()), _unpacked(run, work, BUSYBOX)
        root = _root(run, work, base)
        version = _add_modules(run, kernel, root)
        shutil.copy(kernel / "boot" / f"vmlinuz-{version}", made.kernel)
        _make_initrd(root / "lib/modules" / version, busybox / "bin/busybox", work, made.initrd)
        run(["mkfs.ext4", "-q", "-d", str(root), str(made.disk), _SIZE])
        made.place.rename(image.place)
    for other in image.place.parent.iterdir():
        if other != image.place and not other.name.startswith("making-"):
            shutil.rmtree(other, ignore_errors=True)
    return image


def _digest(base: str) -> str:
    made_of = [Path(__file__).read_bytes(), (HERE / "init").read_bytes(), base.encode()]
    return hashlib.sha256(b"\0".join(made_of)).hexdigest()[:12]


def _kernel_package() -> str:
    """Return the package of the kernel that is the current one."""
    command = ["apt-cache", "depends", KERNEL]
    listed = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout
    found = re.search(r"Depends: (linux-image-\S+)", listed)
    if found is None:
        raise hosts.Unavailable(f"apt knows no kernel by the name of {KERNEL}")
    return found.group(1)


def _unpacked(run: Run, work: Path, package: str) -> Path:
    """Return a directory with what is in a Debian package."""
    place, fetched = work / package, work / f"{package}.fetched"
    fetched.mkdir()
    # apt downloads to where it is started.
    run(["sh", "-c", f"cd '{fetched}' && apt-get download --quiet '{package}'"])
    run(["dpkg-deb", "--extract", str(next(fetched.glob("*.deb"))), str(place)])
    return place


def _root(run: Run, work: Path, base: str) -> Path:
    """Return a directory with all that is on the guest's disk, but the kernel's modules."""
    archive, root = work / "root.tar", work / "root"
    container = f"lockstep-guest-{work.name}"
    installs = (
        "export DEBIAN_FRONTEND=noninteractive && apt-get update --quiet && "
        f"apt-get install --yes --quiet --no-install-recommends {' '.join(PACKAGES)} && "
        "rm -rf /var/lib/apt/lists/* /var/cache/apt/*"
    )
    try:
        podman(
            *("run", "--name", container, "--network", "host", "--cap-add", "all"),
            *(base, "sh", "-c", installs),
        )
        podman("export", "--output", str(archive), container)
    finally:
        podman("rm", "--force", "--time", "0", "--ignore", container, check=False)
    root.mkdir()
    run(["tar", "--directory", str(root), "--numeric-owner", "--extract", "--file", str(archive)])
    archive.unlink()
    # What says that this is a container, and where files of a running system come later.
    shutil.rmtree(root / "run")
    (root / "run").mkdir()
    for name, text in _FILES.items():
        (root / name).write_text(text, encoding="utf-8")
    for key in root.glob("etc/ssh/ssh_host_*"):
        key.unlink()
    run(["chroot", str(root), "systemctl", "mask", *MASKED])
    run(["chroot", str(root), "systemctl", "unmask", "run-rpc_pipefs.mount"])
    return root


def _add_modules(run: Run, kernel: Path, root: Path) -> str:
    """Add the kernel's modules to the disk; return its version."""
    version = next((kernel / "lib/modules").iterdir()).name
    shutil.copytree(kernel / "lib/modules" / version, root / "lib/modules" / version, symlinks=True)
    run(["chroot", str(root), "depmod", version])
    return version


def _make_initrd(modules: Path, busybox: Path, work: Path, target: Path) -> None:
    """Make an initial RAM disk with the drivers that are needed before there is a disk."""
    tree = work / "initrd"
    for name in ("bin", "dev", "proc", "root", "sys"):
        (tree / name).mkdir(parents=True)
    shutil.copy(busybox, tree / "bin/busybox")
    shutil.copy(HERE / "init", tree / "init")
    (tree / "init").chmod(0o755)
    needs = parse_dependencies((modules / "modules.dep").read_text(encoding="utf-8"))
    paths = load_order(MODULES, needs)
    for path in paths:
        (tree / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(modules / path, tree / path)
    lines = "".join(f"/{path}\n" for path in paths)
    (tree / "modules").write_text(lines, encoding="utf-8")
    pack(tree, target)


def pack(tree: Path, target: Path) -> None:
    """Pack a directory as the kernel takes it; of several that follow each other it takes all."""
    listed = "".join(f"{path.relative_to(tree)}\n" for path in sorted(tree.rglob("*")))
    with open(target, "wb") as file:
        subprocess.run(
            ["cpio", "--create", "--format=newc", "--quiet", "--owner=0:0"],
            cwd=tree,
            input=listed.encode(),
            stdout=file,
            check=True,
            timeout=60,
        )


def parse_dependencies(text: str) -> dict[str, list[str]]:
    """Return what each module needs, by its path, from a ``modules.dep``."""
    lines = (line.partition(":") for line in text.splitlines())
    return {path: needed.split() for path, _colon, needed in lines}


def load_order(names: tuple[str, ...], needs: dict[str, list[str]]) -> list[str]:
    """Return paths of modules, each after those that it needs; built-in ones have none."""
    by_name = {path.rpartition("/")[2].split(".")[0].replace("-", "_"): path for path in needs}
    ordered: list[str] = []
    for name in names:
        path = by_name.get(name)
        if path is not None:
            # modules.dep names what is needed last first.
            ordered += [each for each in (*reversed(needs[path]), path) if each not in ordered]
    return ordered
