"""Names under which a picture may be looked up in a store, and that mean something else."""

from make_configs import ESCAPES

STORED_NAMES = {
    "sound": "sound.png",
    "climbing": "../secret.png",
    "climbing on Windows": "..\\secret.png",
    "climbing in codes": "%2e%2e/secret.png",
    "absolute": "/etc/passwd",
    "another store": "memory://secret.png",
    "a file": "file:///etc/passwd",
    "a file in a cache": "simplecache::file:///etc/passwd",
    "a server": "ftp://127.0.0.1:9/a.png",
    "home": "~/.ssh/id_rsa",
    "commands": "a\r\nDELE sound.png",
    "nul": "sound.png\0",
    "glob": "*.png",
    "long name": "x" * 5000,
    "escapes": ESCAPES,
    "pickle": "pickle.png",
    "bomb": "bomb.png",
}
