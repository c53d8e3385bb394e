"""Become another program that cannot outlive the process that asked for it. Run as a script, imports nothing of ours.

    python -I -S leash.py PARENT_PID DEATH_SIGNAL OWNED_DIRECTORY|- COMMAND [ARGUMENT...]

On Linux the kernel sends DEATH_SIGNAL when the parent dies, however it dies; elsewhere the next start ends what was
left (`children.end_orphans`). With OWNED_DIRECTORY a root user is left behind first, because Postgres refuses to run as
root: a user namespace needs no second account and no chmod; where the kernel forbids one, `nobody` gets the directory.
"""

import ctypes
import os
import pwd
import signal
import sys
from pathlib import Path

PR_SET_PDEATHSIG = 1


def leave_root(directory: Path) -> None:
    """Stop being root, keeping `directory` writable."""
    try:
        os.unshare(os.CLONE_NEWUSER)
    except (AttributeError, OSError):
        nobody = pwd.getpwnam("nobody")
        for path in (directory, *directory.rglob("*")):
            os.chown(path, nobody.pw_uid, nobody.pw_gid, follow_symlinks=False)
        for folder in directory.parents[:2]:  # the server's and the stack's own: let `nobody` pass, not look around
            folder.chmod(folder.stat().st_mode | 0o001)
        os.setgroups([])
        os.setgid(nobody.pw_gid)
        os.setuid(nobody.pw_uid)


def main() -> None:
    """Apply the leash, then replace this process."""
    parent, death_signal, owned, *command = sys.argv[1:]
    if owned != "-" and os.geteuid() == 0:
        leave_root(Path(owned))
    if sys.platform == "linux":  # after leaving root: a change of user clears the setting
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.Signals[death_signal])
        if os.getppid() != int(parent):
            sys.exit("the parent is already gone")
    os.execv(command[0], command)  # noqa: S606 - no shell is what we want


if __name__ == "__main__":
    main()
