"""Write functions/requirements.txt out of the lock: what is installed beside the functions. With `--check`, only compare."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TARGET = ROOT / "functions" / "requirements.txt"
EXPORT = ["export", "--frozen", "--no-dev", "--extra", "functions", "--no-emit-project", "--no-header", "--quiet"]


def main() -> None:
    """Write the file, or compare it."""
    uv = Path(sys.executable).with_name("uv")
    wanted = subprocess.run([uv, *EXPORT], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    if "--check" not in sys.argv:
        TARGET.write_text(wanted, encoding="utf-8")
    elif TARGET.read_text(encoding="utf-8") != wanted:
        sys.exit(f"{TARGET.relative_to(ROOT)} is not what the lock says: run make requirements")


if __name__ == "__main__":
    main()
