"""Write functions/requirements.txt out of the lock: what is installed beside the functions. With `--check`, only compare."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TARGET = ROOT / "functions" / "requirements.txt"
EXPORT = ["export", "--frozen", "--no-dev", "--extra", "functions", "--no-emit-project", "--no-header", "--quiet"]


def export(*options: str) -> str:
    """Read what the functions are installed with out of the lock, in another form if options say so."""
    uv = Path(sys.executable).with_name("uv")
    return subprocess.run([uv, *EXPORT, *options], cwd=ROOT, check=True, capture_output=True, text=True).stdout


def main() -> None:
    """Write the file, or compare it."""
    wanted = export()
    if "--check" not in sys.argv:
        TARGET.write_text(wanted, encoding="utf-8")
    elif TARGET.read_text(encoding="utf-8") != wanted:
        sys.exit(f"{TARGET.relative_to(ROOT)} is not what the lock says: run make requirements")


if __name__ == "__main__":
    main()
