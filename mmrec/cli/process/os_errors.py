"""What the operating system refuses, in words: which file or folder, and what to do."""

import errno

_PLACE = "choose another place (`paths.runs=`, `paths.cache=` or the key that names it), or get the right to it"
_KIND = "a file is where a folder is expected, or a folder where a file is; name another path"
_ROOM = "make room, and go on with `mmrec train resume=` and the folder of the run"
REMEDIES = {
    errno.ENOSPC: _ROOM,
    errno.EDQUOT: _ROOM,
    errno.EFBIG: _ROOM,
    errno.EACCES: _PLACE,
    errno.EPERM: _PLACE,
    errno.EROFS: _PLACE,
    errno.ENOENT: "nothing is there, or nothing can be made there; look at the path",
    errno.ENOTDIR: _KIND,
    errno.EISDIR: _KIND,
    errno.EEXIST: _KIND,
    errno.ENAMETOOLONG: "choose a shorter path",
    errno.ELOOP: "links lead in a circle; name another path",
    errno.EMFILE: "allow more open files with `ulimit -n`",
    errno.ENFILE: "allow more open files, or end other programs",
    errno.ENOMEM: "free memory, or take less data",
}
_ELSE = "look whether the file, the disk or the network is there and can be used"


def describe_os_error(error: OSError) -> str:
    """A message with the path, where there is one, and a remedy."""
    places = " -> ".join(str(name) for name in (error.filename, error.filename2) if name is not None)
    what = error.strerror or str(error) or type(error).__name__
    return f"{what}{f': {places}' if places else ''}; {REMEDIES.get(error.errno or 0, _ELSE)}"
