"""A package that Lambda would refuse is refused here."""

import zipfile
from pathlib import Path
from typing import Any

import pytest

from infra import layer, package


def _archive(folder: Path, files: dict[str, str], name: str = "deployment.zip") -> Path:
    path = folder / name
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return path


def test_wheels_for_lambda_are_accepted(tmp_path: Path) -> None:
    archive = _archive(
        tmp_path,
        {
            "a-1.dist-info/WHEEL": "Wheel-Version: 1.0\nTag: cp313-cp313-manylinux2014_x86_64\n",
            "b-1.dist-info/WHEEL": "Wheel-Version: 1.0\nTag: py3-none-any\n",
        },
    )
    assert package.check_archive(archive) > 0


def test_a_wheel_compiled_here_is_refused_by_name(tmp_path: Path) -> None:
    archive = _archive(tmp_path, {"pillow-13.dist-info/WHEEL": "Tag: cp311-cp311-linux_x86_64\n"})
    with pytest.raises(package.PackageError, match=r"pillow-13\.dist-info was compiled on this machine"):
        package.check_archive(archive)


@pytest.mark.parametrize("limit", ["ZIPPED_LIMIT", "UNZIPPED_LIMIT"])
def test_an_archive_that_is_too_large_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: str) -> None:
    monkeypatch.setattr(package, limit, 10)
    with pytest.raises(package.PackageError, match="of at most 10"):
        package.check_archive(_archive(tmp_path, {"app.py": "x" * 100}))


def test_a_layer_is_refused_that_makes_a_function_too_large_or_was_compiled_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = {"python/typst/typst.so": "x" * 60, "python/typst-1.dist-info/WHEEL": "Tag: cp39-abi3-manylinux2014_x86_64"}
    archive = _archive(tmp_path, files, layer.ARCHIVE)
    size = package.check_layer(archive, 100)
    monkeypatch.setattr(package, "UNZIPPED_LIMIT", size + 100)
    # A layer goes by way of a bucket, where the limit of a direct upload does not hold.
    monkeypatch.setattr(package, "ZIPPED_LIMIT", 1)
    assert package.check_layer(archive, 100) == size
    with pytest.raises(package.PackageError, match="a function with the layer has"):
        package.check_layer(archive, 101)
    compiled = _archive(tmp_path, {"python/segno-1.dist-info/WHEEL": "Tag: py3-none-linux_x86_64"}, layer.ARCHIVE)
    with pytest.raises(package.PackageError, match=r"segno-1\.dist-info was compiled on this machine"):
        package.check_layer(compiled, 0)


def test_data_that_is_never_loaded_is_left_out(tmp_path: Path) -> None:
    archive = tmp_path / "deployment.zip"
    with zipfile.ZipFile(archive, "w") as opened:
        for name in (
            "app.py",
            "phonenumbers/__init__.py",
            "phonenumbers/data/region_DE.py",
            "phonenumbers/geodata/x.py",
        ):
            opened.writestr(name, name)
    package.leave_out(archive, package.LEFT_OUT)
    with zipfile.ZipFile(archive) as opened:
        assert opened.namelist() == ["app.py", "phonenumbers/__init__.py", "phonenumbers/data/region_DE.py"]
        assert opened.read("app.py") == b"app.py"


def test_additions_to_a_function_that_does_not_exist_are_refused() -> None:
    template: dict[str, Any] = {"Resources": {"DeliverPostcards": {"Properties": {}}}}
    with pytest.raises(package.PackageError, match="DeliverPostcards"):
        package.finish(template)


def test_only_the_service_itself_is_packaged(tmp_path: Path) -> None:
    built = package.build(tmp_path, dependencies=False)
    with zipfile.ZipFile(built.archive) as archive:
        ours = {name for name in archive.namelist() if not name.startswith("chalice/")}
    assert "app.py" in ours
    assert all(name == "app.py" or name.startswith("chalicelib/") for name in ours)
    assert not [name for name in ours if "__pycache__" in name]
