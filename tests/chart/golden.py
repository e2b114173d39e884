"""Write the golden files anew; what changed in them is to be read before it is committed."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from tests.chart.helm import running
from tests.chart.releases import GOLDEN, text_of

FOLDER: Final = Path(__file__).with_name("golden")


def file_of(name: str) -> Path:
    """Name the golden file of a release."""
    return FOLDER / f"{name}.yaml"


def write() -> None:
    """Render what is golden."""
    with running() as helm:
        for name in GOLDEN:
            with TemporaryDirectory() as folder:
                file_of(name).write_text(text_of(name, helm, Path(folder)), encoding="utf-8")


if __name__ == "__main__":
    write()
