"""Build the deployment package: ``deployment.zip`` and ``sam.json``, by ``chalice package`` from tracked files, and
``documents-layer.zip`` for the functions that render documents.

``python -m infra.package [folder]`` writes into ``build`` by default and fails if Lambda would refuse the package.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from infra import CONSOLE_MODULES, layer

ROOT = Path(__file__).resolve().parent.parent
# The code of the functions and its description. Nothing else of the checkout gets into the package.
SOURCES = ("app.py", "chalicelib", "requirements.txt", ".chalice/config.json", "infra/policies")
CHALICE_STAGE = "deployed"
MEANT_RUNTIME = "python3.13"
# Lambda's limits: 50 MB zipped when uploaded directly, 250 MB unzipped including layers; with some margin.
ZIPPED_LIMIT = 50_000_000
UNZIPPED_LIMIT = 240_000_000
# CloudFormation's limit for a template in a bucket is 1 MB, before and after SAM has expanded it.
TEMPLATE_LIMIT = 900_000

# Data of dependencies that the service never loads: names of places and of telephone companies, 44 MB of 48.
LEFT_OUT = ("phonenumbers/geodata/", "phonenumbers/carrierdata/", "phonenumbers/tzdata/")

_HANDLER_BY_REFERENCE = "${APIHandler.Arn}"
_HANDLER_BY_NAME = "arn:${AWS::Partition}:lambda:${AWS::Region}:${AWS::AccountId}:function:${AWS::StackName}-APIHandler"


class PackageError(Exception):
    """The package cannot be deployed; the message says why."""


@dataclass(frozen=True)
class Package:
    """A package on disk."""

    template: Path
    archive: Path
    runtime: str
    unzipped: int
    layer: Path
    layer_unzipped: int

    @classmethod
    def at(cls, folder: Path) -> "Package":
        """Return the package that was built in ``folder``. Raises PackageError if it cannot be deployed."""
        template, archive = folder / "sam.json", folder / "deployment.zip"
        runtime = _runtime_of(json.loads(template.read_text()))
        layer_archive = folder / layer.ARCHIVE
        unzipped = check_archive(archive)
        # Without dependencies there is no layer.
        layer_unzipped = check_layer(layer_archive, unzipped) if layer_archive.exists() else 0
        return cls(template, archive, runtime, unzipped, layer_archive, layer_unzipped)

    @property
    def zipped(self) -> int:
        """Size of the archive in bytes."""
        return self.archive.stat().st_size


def build(out: Path, root: Path = ROOT, *, dependencies: bool = True) -> Package:
    """Package the service of the checkout ``root`` into the folder ``out``, which is created or overwritten.

    Without ``dependencies`` the template is complete, the archive holds our own code only, and there is no layer: quick
    and offline, for inspection. Raises PackageError if the result cannot be deployed.
    """
    source = out / "source"
    _copy_sources(root, source)
    _name_policies(source)
    if not dependencies:
        (source / "requirements.txt").write_text("")
    merge = source / "resources.json"
    # As JSON: for a YAML file Chalice would write YAML with anchors, which CloudFormation refuses.
    merge.write_text(json.dumps(yaml.safe_load((root / "infra/resources.yaml").read_text())))
    for stale in ("sam.json", "deployment.zip", layer.ARCHIVE):
        (out / stale).unlink(missing_ok=True)
    packed_before = set(source.glob(".chalice/deployments/*.zip"))
    if "Reusing existing" not in _run_chalice(source, merge, out):
        for stale_archive in packed_before:
            stale_archive.unlink(missing_ok=True)
    template_path = out / "sam.json"
    template = json.loads(template_path.read_text())
    finish(template)
    written = json.dumps(template, separators=(",", ":"))
    if len(written) > TEMPLATE_LIMIT:
        raise PackageError(f"The template has {len(written)} characters, of at most {TEMPLATE_LIMIT}.")
    template_path.write_text(written)
    if dependencies:
        leave_out(out / "deployment.zip", LEFT_OUT)
        try:
            layer.build(root, out)
        except layer.LayerError as error:
            raise PackageError(str(error)) from error
    return Package.at(out)


def finish(template: dict[str, Any]) -> None:
    """Change in place what a merge cannot express. Raises PackageError when a resource has no type.

    The integrations name APIHandler by its function name instead of a reference, so that APIHandler may refer to the
    API for PUBLIC_URL; the binary types of the definition are copied to the SAM resource; and layers get the runtime of
    the functions. Every function that people invoke gets an output, unless the template has one.
    """
    untyped = [name for name, resource in template["Resources"].items() if "Type" not in resource]
    if untyped:
        raise PackageError(
            f"infra/resources.yaml adds to {', '.join(sorted(untyped))}, which the application does not have."
        )
    properties = template["Resources"]["RestAPI"]["Properties"]
    definition = properties["DefinitionBody"]
    properties["BinaryMediaTypes"] = definition["x-amazon-apigateway-binary-media-types"]
    for integration in _integrations(definition):
        uri = integration.get("uri")
        if uri:
            uri["Fn::Sub"] = uri["Fn::Sub"].replace(_HANDLER_BY_REFERENCE, _HANDLER_BY_NAME)
    if _HANDLER_BY_REFERENCE in json.dumps(definition):
        raise PackageError("The definition of the API still refers to APIHandler, which refers to the API.")
    for resource in template["Resources"].values():
        if resource["Type"] == "AWS::Serverless::LayerVersion":
            resource["Properties"]["CompatibleRuntimes"] = [_runtime_of(template)]
    _add_console_outputs(template)


def _add_console_outputs(template: dict[str, Any]) -> None:
    for name, resource in template["Resources"].items():
        if resource["Type"] == "AWS::Serverless::Function":
            properties = resource["Properties"]
            events = {event["Type"] for event in properties.get("Events", {}).values()}
            if properties["Handler"].startswith(CONSOLE_MODULES) and "SQS" not in events:
                template["Outputs"].setdefault(f"{name}Function", {"Value": {"Ref": name}})


def leave_out(archive: Path, folders: tuple[str, ...]) -> None:
    """Write ``archive`` again without what is in ``folders``; the dates of the files stay."""
    smaller = archive.with_suffix(".smaller")
    with zipfile.ZipFile(archive) as before, zipfile.ZipFile(smaller, "w", zipfile.ZIP_DEFLATED) as after:
        for entry in before.infolist():
            if not entry.filename.startswith(folders):
                after.writestr(entry, before.read(entry))
    smaller.replace(archive)


def check_archive(archive: Path) -> int:
    """Return the unzipped size in bytes. Raises PackageError if Lambda cannot run the archive."""
    unzipped, faults = _examined(archive)
    zipped = archive.stat().st_size
    if zipped > ZIPPED_LIMIT:
        faults.append(f"the archive has {zipped} bytes, of at most {ZIPPED_LIMIT}")
    if unzipped > UNZIPPED_LIMIT:
        faults.append(f"the archive has {unzipped} bytes unzipped, of at most {UNZIPPED_LIMIT}")
    _refuse(faults)
    return unzipped


def check_layer(archive: Path, functions: int) -> int:
    """Return the unzipped size of a layer in bytes. Raises PackageError if Lambda cannot run it.

    ``functions`` is the unzipped size of the functions' own archive: Lambda limits the sum.
    """
    unzipped, faults = _examined(archive)
    if functions + unzipped > UNZIPPED_LIMIT:
        faults.append(
            f"a function with the layer has {functions} + {unzipped} bytes unzipped, of at most {UNZIPPED_LIMIT}"
        )
    _refuse(faults)
    return unzipped


def _examined(archive: Path) -> tuple[int, list[str]]:
    """Return the unzipped size of an archive in bytes, and its files that were compiled on this machine."""
    with zipfile.ZipFile(archive) as opened:
        wheels = {
            name: [
                line.partition(b":")[2].strip().decode()
                for line in opened.read(name).splitlines()
                if line.startswith(b"Tag:")
            ]
            for name in opened.namelist()
            if name.endswith(".dist-info/WHEEL")
        }
        unzipped = sum(entry.file_size for entry in opened.infolist())
    faults = [
        f"{name.split('/')[-2]} was compiled on this machine ({tag}) and may not run on Lambda"
        for name, tags in wheels.items()
        for tag in tags
        if tag.rpartition("-")[2].startswith("linux_")
    ]
    return unzipped, faults


def _refuse(faults: list[str]) -> None:
    if faults:
        raise PackageError("This package cannot be deployed: " + "; ".join(faults) + ".")


def _integrations(definition: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for methods in definition["paths"].values():
        for method in methods.values():
            if "x-amazon-apigateway-integration" in method:
                yield method["x-amazon-apigateway-integration"]


def _runtime_of(template: dict[str, Any]) -> str:
    runtimes = {
        resource["Properties"]["Runtime"]
        for resource in template["Resources"].values()
        if resource["Type"] == "AWS::Serverless::Function"
    }
    return ", ".join(sorted(runtimes))


def _copy_sources(root: Path, source: Path) -> None:
    """Copy the tracked files of SOURCES, and keep Chalice's cache of earlier packages."""
    if source.exists():
        for entry in source.iterdir():
            if entry.name == ".chalice":
                continue
            shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
    for path in _tracked(root):
        target = source / path
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(root / path, target)


def _name_policies(source: Path) -> None:
    """Give each function the policy file of its name."""
    path = source / ".chalice/config.json"
    config = json.loads(path.read_text())
    functions = config["stages"][CHALICE_STAGE].setdefault("lambda_functions", {})
    for policy in sorted((source / "infra/policies").glob("*.json")):
        functions.setdefault(policy.stem, {})["iam_policy_file"] = f"../infra/policies/{policy.name}"
    path.write_text(json.dumps(config))


def _tracked(root: Path) -> list[str]:
    if not (root / ".git").exists():
        files = (found for name in SOURCES for found in [root / name, *(root / name).rglob("*")])
        return sorted(
            str(found.relative_to(root)) for found in files if found.is_file() and "__pycache__" not in found.parts
        )
    tracked = [path for path in _git_files(root, "--cached") if (root / path).is_file()]
    left_out = _git_files(root, "--others", "--exclude-standard")
    if left_out:
        print(f"Not tracked by git and therefore left out: {', '.join(left_out)}", file=sys.stderr)
    return tracked


def _git_files(root: Path, *options: str) -> list[str]:
    command = ["git", "ls-files", "-z", *options, "--", *SOURCES]
    listed = subprocess.run(command, cwd=root, check=True, capture_output=True, text=True).stdout
    return [path for path in listed.split("\0") if path]


def _run_chalice(source: Path, merge: Path, out: Path) -> str:
    # Nothing calls AWS; Chalice only needs a region. Importing the application must not need the settings, so
    # none are set.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    environment |= {"AWS_DEFAULT_REGION": "eu-central-1", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    arguments = ["--project-dir", str(source), "package", "--stage", CHALICE_STAGE, "--merge-template", str(merge)]
    done = subprocess.run(
        [sys.executable, "-c", "from chalice.cli import main; main()", *arguments, str(out)],
        cwd=source,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    said = (done.stdout + done.stderr).strip()
    # Chalice only warns about a dependency that it could not build.
    if done.returncode != 0 or "Could not install dependencies" in said or not (out / "sam.json").exists():
        raise PackageError(f"chalice package failed:\n{said}")
    return said


def main() -> int:
    """Package the service and print the result."""
    parser = argparse.ArgumentParser(description="Package the service for deployment.")
    parser.add_argument("out", nargs="?", type=Path, default=ROOT / "build", help="folder to write into")
    out: Path = parser.parse_args().out.resolve()
    try:
        package = build(out)
    except PackageError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"{package.archive}: {package.zipped / 1e6:.1f} MB, {package.unzipped / 1e6:.1f} MB unzipped.")
    print(
        f"{package.layer}: {package.layer.stat().st_size / 1e6:.1f} MB, {package.layer_unzipped / 1e6:.1f} MB unzipped."
    )
    print(f"{package.template}: runtime {package.runtime}.")
    if package.runtime != MEANT_RUNTIME:
        print(
            f"WARNING: this is for {package.runtime}, because that Python packaged it. The service is meant for "
            f"{MEANT_RUNTIME}: package with that Python before deploying to AWS.",
            file=sys.stderr,
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
