"""What happens each night, for each tenant: decide the experiment, train, look for drift.

    python -m examples.service.nightly        # in crontab: 0 3 * * *

It reads the feedback log and moves aliases in the registry; the running service follows by itself.
"""

import argparse
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from examples.service.data import TENANTS, read
from examples.service.retrieval import CANARY, PAGE, PERSON, PRODUCTION, Retrieval, Settings
from langchain_adapter import stored_vectors
from query_adapters.data.paths import load_dataset, write_dataset
from query_adapters.errors import InvalidDatasetError, InvalidVectorsError
from query_adapters.experiments import SequentialTest, session_outcomes
from query_adapters.feedback import Propensities, ShownList, dataset_from_feedback
from query_adapters.feedback.refitting import refit
from query_adapters.monitoring import question_drift

DAY = 86_400.0  # seconds
LOOKED_AT = Propensities.power_law(1.0, depth=PAGE)
SHOWN = 8  # digits of a version
LONGEST = 4  # days of an experiment; later, no difference that matters is expected


@dataclass(frozen=True, kw_only=True)
class Night:
    """What one tenant's users did on a day, and what was decided in the night after it.

    Attributes:
        tenant: The tenant.
        day: The day, such as "2026-06-01".
        n_questions: Questions that were asked.
        n_clicks: Clicks on their answers.
        serving: Version that served; what is beside it in an experiment is `canary`, else None.
        canary: Version in the experiment.
        decision: "promoted", "rolled back", "ended", "goes on" or, without an experiment, "".
        test: What the test of the experiment says.
        training: What training said, and whether there is a new canary.
        drift: Whether users still ask about what the serving version was trained on.
        measured: Means over the pages of the day by metric, where the right answers are known.
    """

    tenant: str
    day: str
    n_questions: int
    n_clicks: int
    serving: str
    canary: str | None
    decision: str
    test: str
    training: str
    drift: str
    measured: Mapping[str, float] = field(default_factory=dict)


def run_night(
    retrieval: Retrieval, tenant: str, *, measured: Mapping[str, float] | None = None
) -> Night:
    """Return what was decided for the tenant at the end of the day, after writing it down."""
    now = retrieval.settings.clock()
    lists = _logged(retrieval, tenant)
    today = [one for one in lists if one.time > now - DAY and one.system != PERSON]
    aliases = retrieval.registry.aliases(tenant)
    serving, canary = aliases[PRODUCTION], aliases[CANARY]
    decision, test = _decide(retrieval, tenant, lists)
    night = Night(
        tenant=tenant,
        day=datetime.fromtimestamp(now - DAY / 2, UTC).date().isoformat(),  # also after midnight
        n_questions=len(today),
        n_clicks=sum(len(one.events) for one in today),
        serving=serving[:SHOWN],
        canary=None if canary == serving else canary[:SHOWN],
        decision=decision,
        test=test,
        training=_train(retrieval, tenant, lists),
        drift=_drift(retrieval, tenant, today),
        measured=measured or {},
    )
    with (retrieval.settings.folder / "nights.jsonl").open("a", encoding="utf-8") as file:
        file.write(f"{json.dumps(asdict(night))}\n")
    return night


def read_nights(folder: Path) -> list[Night]:
    """Return the nights so far, oldest first."""
    path = folder / "nights.jsonl"
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    return [Night(**json.loads(line)) for line in lines]


def _decide(retrieval: Retrieval, tenant: str, lists: Sequence[ShownList]) -> tuple[str, str]:
    """Return what was done with the canary, and what the test of its experiment says."""
    registry = retrieval.registry
    aliases = registry.aliases(tenant)
    if aliases[CANARY] == aliases[PRODUCTION]:
        return "", "No experiment."
    system = retrieval.system(tenant)
    compared = [one for one in lists if one.system == system]
    test = SequentialTest()
    test.update(session_outcomes(compared).values())
    if test.decision == "challenger":
        registry.promote(tenant, aliases[CANARY], reason=str(test), expected=aliases[PRODUCTION])
        return "promoted", str(test)
    n_days = len({int(one.time // DAY) for one in compared})
    if test.decision == "incumbent" or n_days >= LONGEST:
        registry.rollback(tenant, alias=CANARY, reason=str(test))
        return "rolled back" if test.decision == "incumbent" else "ended", str(test)
    return "goes on", str(test)


def _logged(retrieval: Retrieval, tenant: str) -> Sequence[ShownList]:
    """Return what the tenant's users were shown, with what they did."""
    try:
        return retrieval.logs[tenant].read().lists
    except FileNotFoundError:  # nobody has asked yet
        return ()


def _train(retrieval: Retrieval, tenant: str, lists: Sequence[ShownList]) -> str:
    """Train from the version that serves; what seems better becomes the canary."""
    registry = retrieval.registry
    aliases = registry.aliases(tenant)
    if aliases[CANARY] != aliases[PRODUCTION]:
        return "Not trained: an experiment is running."
    known = _questions_of(retrieval, tenant, aliases[PRODUCTION])
    with TemporaryDirectory() as folder:
        try:
            found = dataset_from_feedback(lists, propensities=LOOKED_AT, skip_strangers=True)
            result = refit(
                found,
                retrieval.embedder,
                serving=registry.uri(tenant),
                model_output_path=folder,
                old=load_dataset(known) if known.exists() else None,
                index=stored_vectors(retrieval.index),
                guard="expected",  # users decide in the experiment
            )
        except InvalidDatasetError as error:  # too little feedback so far
            return f"Not trained: {error}."
        if result.decision != "adapter":
            return f"{result.verdict.one_line}."
        version = registry.push(folder, tenant)
    write_dataset(found.dataset, _questions_of(retrieval, tenant, version))
    registry.promote(tenant, version, alias=CANARY, reason=result.verdict.one_line)
    return f"{result.verdict.one_line}. It is the canary {version[:SHOWN]}."


def _drift(retrieval: Retrieval, tenant: str, today: Sequence[ShownList]) -> str:
    """Return whether the questions of the day are like those that what serves now has learned."""
    serving = retrieval.registry.resolve(tenant, PRODUCTION)
    known = _questions_of(retrieval, tenant, serving)
    if not known.exists():
        return "The base serves, which has no training questions."
    learned = [*load_dataset(known).queries.values()]
    asked = [one.question for one in today if one.question]
    try:
        return str(question_drift(*map(retrieval.embedder.embed_queries, (learned, asked))))
    except InvalidVectorsError:
        return f"Too few questions to compare: {len(asked)} asked, {len(learned)} learned."


def _questions_of(retrieval: Retrieval, tenant: str, version: str) -> Path:
    """Return the file of the questions that a version has learned; it need not exist."""
    return retrieval.settings.folder / "learned" / tenant / f"{version}.jsonl"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=Path("service_output"))
    retrieval = Retrieval(read().corpus, Settings(folder=parser.parse_args().folder))
    for tenant in TENANTS:
        print(run_night(retrieval, tenant))


if __name__ == "__main__":
    main()
