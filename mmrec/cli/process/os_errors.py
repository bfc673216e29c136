"""Describe errors of the operating system, with the path and a remedy."""

import errno

_PLACE = "choose another location (`paths.runs=`, `paths.cache=` or the key that names it), or obtain permission for it"
_KIND = "expected a folder and found a file, or the reverse; choose another path"
_ROOM = "free disk space, and resume with `mmrec train resume=` and the run folder"
REMEDIES = {
    errno.ENOSPC: _ROOM,
    errno.EDQUOT: _ROOM,
    errno.EFBIG: _ROOM,
    errno.EACCES: _PLACE,
    errno.EPERM: _PLACE,
    errno.EROFS: _PLACE,
    errno.ENOENT: "the path does not exist, or nothing can be created there; check the path",
    errno.ENOTDIR: _KIND,
    errno.EISDIR: _KIND,
    errno.EEXIST: _KIND,
    errno.ENAMETOOLONG: "choose a shorter path",
    errno.ELOOP: "symbolic links form a cycle; choose another path",
    errno.EMFILE: "allow more open files with `ulimit -n`",
    errno.ENFILE: "allow more open files, or close other programs",
    errno.ENOMEM: "free memory, or use less data",
}
_ELSE = "check that the file, the disk or the network is available"


def describe_os_error(error: OSError) -> str:
    """Return a message with the paths of the error, if any, and a remedy."""
    places = " -> ".join(str(name) for name in (error.filename, error.filename2) if name is not None)
    what = error.strerror or str(error) or type(error).__name__
    return f"{what}{f': {places}' if places else ''}; {REMEDIES.get(error.errno or 0, _ELSE)}"
