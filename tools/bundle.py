"""Make the deployment archive: `main.py` at its root, the package without `local/`, and pinned requirements with hashes.

The same sources give the same bytes, so that the archive's hash can name a deployment.
"""

import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TARGET = ROOT / "dist" / "chromagent.zip"
TIME = (1980, 1, 1, 0, 0, 0)


def files() -> dict[str, Path]:
    """Name every file of the archive; terraform/archive.tf names the same."""
    package = ROOT / "chromagent"
    found = {name: ROOT / "functions" / name for name in ("main.py", "requirements.txt")}
    for path in sorted(package.rglob("*.py")):
        if "local" not in path.relative_to(package).parts:
            found[str(path.relative_to(ROOT))] = path
    return found


def main() -> None:
    """Write the archive, to another place if one is given, and say how large it is."""
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else TARGET
    target.parent.mkdir(exist_ok=True)
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, path in files().items():
            entry = zipfile.ZipInfo(name, TIME)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, path.read_bytes())
    print(f"{target.name}: {len(files())} files, {target.stat().st_size / 1024:.0f} kB")


if __name__ == "__main__":
    main()
