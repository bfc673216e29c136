"""What pyproject.toml cannot say: the packages are all that are found, and conf/ is one more, `mmrec.conf`."""

from setuptools import find_namespace_packages, setup

found = find_namespace_packages(include=["mmrec", "mmrec.*", "data_modules", "data_modules.*"], exclude=["*.__pycache__"])
setup(packages=[*found, "mmrec.conf"], package_dir={"mmrec.conf": "conf"})
