"""Make the deployment archive: `main.py` at its root, the package without `local/`, and pinned requirements with hashes.

Beside it stands its software bill of materials: CycloneDX, every requirement with its version and hashes. The same sources give the
same bytes of both, so that the archive's hash can name a deployment.
"""

import hashlib
import json
import sys
import uuid
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tools import requirements  # noqa: E402 - after the path

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


def bill_of_materials(archive: bytes) -> str:
    """Name what the archive will be installed with. Its number is made of the archive, and it carries no time."""
    bill = json.loads(requirements.export("--format", "cyclonedx1.5"))
    digest = hashlib.sha256(archive).hexdigest()
    bill["serialNumber"] = f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_OID, digest)}"
    del bill["metadata"]["timestamp"]
    bill["metadata"]["component"]["hashes"] = [{"alg": "SHA-256", "content": digest}]
    return json.dumps(bill, indent=1) + "\n"


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
    bill = target.with_suffix(".cdx.json")
    bill.write_text(bill_of_materials(target.read_bytes()), encoding="utf-8")
    print(f"{target.name}: {len(files())} files, {target.stat().st_size / 1024:.0f} kB; {bill.name}: what it is installed with")


if __name__ == "__main__":
    main()
