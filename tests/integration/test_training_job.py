"""The training job as the container runs it: in a process of its own, from the source archive, on the layers' libraries."""

import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest

from layers import build, source
from millrace.core.archive import pack
from millrace.core.errors import RetryableError
from millrace.model_registry import artifact
from millrace.model_registry.package import unpack
from millrace.training import local_training, rows
from millrace.training.channel import TrainingRequest
from millrace.training.errors import TrainingError
from tests.support import training

pytestmark = pytest.mark.timeout(600)
ALGORITHMS = ("logistic_regression", "random_forest", "gradient_boosting")


@pytest.fixture(scope="module")
def libraries() -> list[str]:
    return training.libraries()


@pytest.fixture(scope="module")
def code(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The source archive, unpacked."""
    folder = tmp_path_factory.mktemp("code")
    target = source.write(tmp_path_factory.mktemp("archive") / "sourcedir.tar.gz")
    assert target.read_bytes() == source.write(tmp_path_factory.mktemp("again") / "a.tar.gz").read_bytes()
    with tarfile.open(target) as packed:
        packed.extractall(folder, filter="data")
    return folder


class Job:
    """One run of train.py under the contract."""

    def __init__(self, root: Path, code: Path, libraries: list[str]) -> None:
        self.channel, self.model, self.output = root / "channel", root / "model", root / "output"
        # Without the site's packages: what the archive and the layers do not bring is not there.
        self._libraries = libraries
        self._environ = {
            "PATH": os.environ["PATH"],
            "PYTHONPYCACHEPREFIX": str(training.COMPILED),
            "SM_CHANNEL_TRAIN": str(self.channel),
            "SM_MODEL_DIR": str(self.model),
            "SM_OUTPUT_DIR": str(self.output),
        }
        self.use(code)

    def use(self, code: Path) -> None:
        self._command = [sys.executable, "-S", str(code / "train.py")]
        self._environ["PYTHONPATH"] = os.pathsep.join([str(code), *self._libraries])

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [*self._command, *arguments],
            env=self._environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *arguments: str) -> tuple[int, str]:
        with self.start(*arguments) as process:
            _, completed = process.communicate(timeout=300)
            return process.returncode, completed

    def left(self) -> dict[str, bytes]:
        return {
            path.relative_to(self.model).as_posix(): path.read_bytes()
            for path in self.model.rglob("*")
            if path.is_file()
        }

    def failure(self) -> str:
        return (self.output / "failure").read_text()


@pytest.fixture
def job(tmp_path: Path, code: Path, libraries: list[str]) -> Job:
    return Job(tmp_path, code, libraries)


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory, code: Path, libraries: list[str]) -> Job:
    """A job that has run."""
    made = Job(tmp_path_factory.mktemp("job"), code, libraries)
    training.write(made.channel)
    status, result = made.run("--seed", "7", "--jobs", "2")
    assert status == 0, result
    return made


def test_every_kind_of_model_comes_out_ready_to_be_registered(done: Job) -> None:
    found = unpack(pack(done.left()), org="shop_a", model="fraud", run="train_model-shop_a-1")
    assert not found.failures
    assert [one.card.algorithm for one in found.models] == list(ALGORITHMS)
    for one in found.models:
        card = one.card
        assert card.features == training.FEATURES
        assert TrainingRequest.from_json((done.channel / "training.json").read_bytes()).split == card.split
        assert card.metrics["average_precision"] > 0.7
        assert card.rows.frauds["train"] > 0
        assert list(card.importances)[-1] == "merchant_features:noise"
        assert card.libraries["scikit-learn"]
        assert card.sources == {"marts.fct_transactions": 7}
        assert len({row.score for row in card.golden}) >= artifact.FEWEST_GOLDEN


def test_the_graph_is_what_was_judged(done: Job) -> None:
    """Scores of the artifact, computed here, give the card's own figures."""
    given = rows.read(done.channel)
    held_out = given.data.within(given.request.days().test)
    for name in ALGORITHMS:
        onnx = (done.model / name / "model.onnx").read_bytes()
        card = artifact.read((done.model / name / "model.json").read_bytes())
        session = onnxruntime.InferenceSession(onnx, providers=["CPUExecutionProvider"])
        assert [(one.name, one.shape) for one in session.get_outputs()] == [("score", [None])]
        golden = np.array([row.inputs for row in card.golden], dtype=np.float32)
        artifact.verify_golden(card, session.run(["score"], {"X": golden})[0].tolist())
        with pytest.raises(artifact.ArtifactError, match="golden row"):
            artifact.verify_golden(card, (1 - session.run(["score"], {"X": golden})[0]).tolist())
        scores = session.run(["score"], {"X": held_out.values.astype(np.float32)})[0]
        called = np.array([card.calibration(float(score)) for score in scores]) >= card.threshold
        hits = int((called & (held_out.labels == 1)).sum())
        assert hits / called.sum() == pytest.approx(card.metrics["precision"])
        assert hits / held_out.labels.sum() == pytest.approx(card.metrics["recall"])


def test_the_evaluation_says_what_the_cards_say(done: Job) -> None:
    models = json.loads((done.model / "evaluation.json").read_text())["models"]
    assert [one["name"] for one in models] == list(ALGORITHMS)
    for one in models:
        card = artifact.read((done.model / one["name"] / "model.json").read_bytes())
        assert one["metrics"] == dict(card.metrics)
        assert one["passed"] is card.passed
        assert [gate["name"] for gate in one["gates"]] == ["precision", "recall", "f1"]


def test_a_job_that_was_killed_makes_the_same_when_it_runs_again(job: Job, done: Job) -> None:
    """On another number of cores, beside what the first attempt left."""
    shutil.copytree(done.channel, job.channel)
    with job.start("--seed", "7", "--jobs", "1") as process:
        deadline = time.monotonic() + 120
        while not (job.model / "logistic_regression" / "model.json").is_file():
            assert time.monotonic() < deadline
            assert process.poll() is None
            time.sleep(0.02)
        process.kill()
        process.communicate()
    assert "evaluation.json" not in job.left()
    (job.model / "random_forest").mkdir(exist_ok=True)
    (job.model / "random_forest" / "half").write_text("")
    status, result = job.run("--seed", "7", "--jobs", "1")
    assert status == 0, result
    assert job.left() == done.left()


def test_another_seed_is_another_forest(job: Job, done: Job) -> None:
    shutil.copytree(done.channel, job.channel)
    assert job.run("--seed", "8", "--jobs", "2")[0] == 0
    assert job.left()["random_forest/model.onnx"] != done.left()["random_forest/model.onnx"]


def flat() -> dict[str, Any]:
    return {**training.columns(), **dict.fromkeys(training.NAMES, np.ones(4200))}


@pytest.mark.parametrize(
    ("made", "says"),
    [
        ({**training.columns(), "is_fraud": np.zeros(4200, dtype=bool)}, "no fraud among them"),
        (flat(), "logistic_regression: logistic_regression gives every row the score"),
    ],
    ids=["one class", "constant"],
)
def test_without_a_model_the_reason_is_given_and_nothing_is_left(
    job: Job, made: dict[str, Any], says: str
) -> None:
    training.write(job.channel, made)
    status, result = job.run("--jobs", "1")
    assert status == 1
    assert says in job.failure()
    assert result.splitlines()[-1] == job.failure()
    assert job.left() == {}


def changed(job: Job, code: Path, module: str, old: str, new: str) -> None:
    """Lets the job run on other code."""
    broken = job.channel.parent / "code"
    shutil.copytree(code, broken)
    path = broken / "millrace/training" / module
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    job.use(broken)


def test_one_model_that_cannot_be_made_does_not_stop_the_others(job: Job, code: Path) -> None:
    training.write(job.channel)
    # Leaves that ask for more rows than there are: the model says the same of every row.
    changed(job, code, "algorithms.py", '"min_samples_leaf": 20', '"min_samples_leaf": 100000')
    status, result = job.run("--jobs", "2")
    assert status == 0, result
    found = unpack(pack(job.left()), org="shop_a", model="fraud", run="train_model-shop_a-1")
    assert set(found.failures) == {"gradient_boosting"}
    assert "every row the score" in found.failures["gradient_boosting"]
    assert len(found.models) == 2


def test_a_graph_that_is_not_the_model_is_refused(job: Job, code: Path) -> None:
    training.write(job.channel)
    changed(job, code, "onnx_graph.py", "PARITY = 1e-4", "PARITY = 1e-12")
    status, _ = job.run("--jobs", "2")
    assert status == 1
    for name in ALGORITHMS:
        assert f"{name}: the ONNX graph differs from the model by" in job.failure()
    assert job.left() == {}


def test_an_unknown_hyperparameter_is_refused(job: Job) -> None:
    training.write(job.channel)
    status, result = job.run("--trees", "9")
    assert status == 2
    assert "--trees" in result.splitlines()[-1]


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture(autouse=True)
def _compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPYCACHEPREFIX", str(training.COMPILED))


def contained(done: Job, script: str) -> local_training.JobResult:
    command = (sys.executable, "-c", script)
    return local_training.run_job(files(done.channel), seconds=3, jobs=1, command=command)


def test_the_container_of_this_machine_hands_over_what_the_job_left(done: Job, libraries: list[str]) -> None:
    paths = [str(build.SOURCE), *libraries]
    script = f"import sys; sys.path[:] = {paths!r} + sys.path; sys.argv[1:] = ['--jobs', '1']\n"
    script += "import os; from millrace.training.job import main; sys.exit(main(sys.argv[1:], os.environ))"
    result = local_training.run_job(
        files(done.channel), seconds=300, jobs=1, command=(sys.executable, "-S", "-c", script)
    )
    with tarfile.open(fileobj=io.BytesIO(result.archive)) as archive:
        assert {member.name for member in archive} == set(done.left())
    assert unpack(result.archive, org="shop_a", model="fraud", run="train_model-shop_a-1").models
    assert any("random_forest" in line for line in result.log)


def test_a_job_has_its_time(done: Job) -> None:
    with pytest.raises(TrainingError, match="more than 3 seconds"):
        contained(done, "import time; time.sleep(60)")


def test_a_job_that_is_killed_may_be_tried_again(done: Job) -> None:
    with pytest.raises(RetryableError, match="SIGKILL"):
        contained(done, "import os; os.kill(os.getpid(), 9)")


def test_the_jobs_reason_is_the_error(done: Job) -> None:
    with pytest.raises(TrainingError, match="no fraud today"):
        contained(done, "import sys; sys.stderr.write('warming up\\nno fraud today\\n'); sys.exit(1)")
    with pytest.raises(TrainingError, match="ended with 5"):
        contained(done, "import sys; sys.exit(5)")


def test_a_job_gets_no_credentials(done: Job) -> None:
    script = "import os, sys; sys.stderr.write(','.join(k for k in os.environ if k.startswith('AWS'))); sys.exit(1)"
    assert any(name.startswith("AWS_") for name in os.environ)
    with pytest.raises(TrainingError, match="ended with 1"):
        contained(done, script)


def test_the_models_of_another_tenant_are_not_taken_for_ours(done: Job) -> None:
    with pytest.raises(artifact.ArtifactError, match="not of shop_b"):
        unpack(pack(done.left()), org="shop_b", model="fraud", run="train_model-shop_a-1")
