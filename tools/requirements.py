"""Write out of the lock what is installed beside the functions, and uv itself, which is there before the lock can be read.

With `--check`, only compare.
"""

import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FUNCTIONS = ROOT / "functions" / "requirements.txt"
UV = ROOT / "tools" / "uv" / "requirements.txt"
EXPORT = ["export", "--frozen", "--no-dev", "--extra", "functions", "--no-emit-project", "--no-header", "--quiet"]


def export(*options: str) -> str:
    """Read what the functions are installed with out of the lock, in another form if options say so."""
    uv = Path(sys.executable).with_name("uv")
    return subprocess.run([uv, *EXPORT, *options], cwd=ROOT, check=True, capture_output=True, text=True).stdout


def uv() -> str:
    """Name uv's version and the hashes of its files, for `pip install --require-hashes`."""
    packages = tomllib.loads((ROOT / "uv.lock").read_text(encoding="utf-8"))["package"]
    package = next(one for one in packages if one["name"] == "uv")
    hashes = [file["hash"] for file in [package["sdist"], *package["wheels"]]]
    return " \\\n".join([f"uv=={package['version']}", *(f"    --hash={one}" for one in hashes)]) + "\n"


def main() -> None:
    """Write the files, or compare them."""
    for target, wanted in ((FUNCTIONS, export()), (UV, uv())):
        if "--check" not in sys.argv:
            target.parent.mkdir(exist_ok=True)
            target.write_text(wanted, encoding="utf-8")
        elif target.read_text(encoding="utf-8") != wanted:
            sys.exit(f"{target.relative_to(ROOT)} is not what the lock says: run make requirements")


if __name__ == "__main__":
    main()
