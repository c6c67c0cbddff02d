import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest

from ml.features.schema import FEATURE_NAMES
from ml.policy.thresholds import operating_point
from ml.training.drift import Reference
from ml.training.evaluation import measure
from ml.training.report import render_report
from ml.training.trained_model import ScoredRows, TrainedModel

pytestmark = pytest.mark.slow

VOID = {"meta", "br", "use"}


class Page(HTMLParser):
    """Notes what a page holds, and that every element is closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.open: list[str] = []
        self.words: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if not self.open or self.open[-1] != "style":
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


@pytest.fixture(scope="module")
def report(trained: TrainedModel) -> str:
    return render_report(trained).decode()


@pytest.fixture(scope="module")
def page(report: str) -> Page:
    return Page(report)


def remeasured(trained: TrainedModel, *, labels: np.ndarray, scores: np.ndarray) -> TrainedModel:
    """Returns the model as if its measured rows had other labels and scores."""
    evidence = trained.evidence
    outputs = dict.fromkeys(evidence.measured.outputs, scores)
    quality = measure(labels, scores, customers=evidence.customers, days=evidence.days)
    point = operating_point(0.5, labels=labels, scores=scores, days=evidence.span_days)
    return replace(
        trained,
        measurement=replace(trained.measurement, quality=dict.fromkeys(outputs, quality), review=point, decline=point),
        evidence=replace(evidence, measured=ScoredRows(labels, outputs), is_ranked=np.ones(len(labels), bool)),
    )


def test_the_page_asks_for_nothing_from_elsewhere_and_needs_no_script(report: str, page: Page) -> None:
    assert len(report.encode()) < 1_000_000
    assert not {"script", "link", "img", "iframe", "object"} & set(page.tags)
    assert "://" not in report
    assert "@import" not in report
    assert {target[0] for target in re.findall(r"url\(([^)]*)\)", report)} <= {"#"}
    assert {value[0] for name, value in page.attributes if name in {"href", "xlink:href", "src"}} <= {"#"}


def test_every_element_is_closed_and_every_reference_leads_to_one_id(report: str, page: Page) -> None:
    assert page.open == []
    ids = [value for name, value in page.attributes if name == "id"]
    assert len(ids) == len(set(ids))
    assert set(re.findall(r"""(?:url\(|href=")#([^)"]+)""", report)) <= set(ids)


def test_every_figure_has_a_text_alternative(page: Page) -> None:
    assert page.tags.count("figure") == page.tags.count("figcaption") == page.tags.count("svg") == 7
    assert len([value for name, value in page.attributes if name == "aria-label" and value]) == 7


def test_figures_take_their_colours_from_the_page(report: str) -> None:
    drawn = "".join(re.findall(r"<svg.*?</svg>", report, flags=re.DOTALL))
    assert "var(--fused)" in drawn
    for colour in set(re.findall(r"var\(--(\w+)\)", drawn)):
        assert report.count(f"--{colour}: #") >= 2  # for light and for dark


def test_the_same_model_gives_the_same_bytes(trained: TrainedModel, report: str) -> None:
    assert render_report(trained).decode() == report


def test_the_page_says_what_was_measured_and_what_to_expect(trained: TrainedModel, page: Page) -> None:
    measurement = trained.measurement
    fused = measurement.quality["score"]
    for figure in (
        f"{fused.average_precision:.3f}",
        f"{fused.brier:.5f}",
        f"perfect scores: {fused.card_precision.ceiling:.3f}",
        f"{measurement.review.threshold:.4f}",
        f"{100 * measurement.decline.precision:.1f} %",
        f"{len(trained.evidence.measured.labels):,} payments",
        trained.record["code_version"],
        trained.record["feature_schema"][:12],
    ):
        assert figure in page.text, figure
    assert all(name in page.text for name in FEATURE_NAMES)
    assert "came after everything the model learnt from" in page.text


def test_what_qualifies_the_figures_is_said(trained: TrainedModel) -> None:
    data = {"file": "payments.csv", "rows": 1234, "repeated_ids": 5, "out_of_order": 6}
    record = {**trained.record, "data": data, "warnings": ["feature <b>hour</b> is constant"]}
    measurement = replace(trained.measurement, slice="calibration")
    report = render_report(replace(trained, record=record, measurement=measurement)).decode()
    text = Page(report).text
    assert "<li>feature &lt;b&gt;hour&lt;/b&gt; is constant</li>" in report
    assert "payments.csv: 1,234 rows, 5 repeated ids left out, 6 rows out of order sorted in" in text
    assert "flatters the model" in text


def test_a_slice_of_one_class_has_a_report_without_curves(
    trained: TrainedModel, labels: np.ndarray, scores: np.ndarray
) -> None:
    page = Page(render_report(remeasured(trained, labels=np.zeros_like(labels), scores=scores)).decode())
    assert page.tags.count("svg") == 6
    assert "There are no curves" in page.text


def test_a_model_that_gives_everything_one_score_has_a_report(
    trained: TrainedModel, labels: np.ndarray, scores: np.ndarray
) -> None:
    reference = Reference.of(FEATURE_NAMES, np.zeros((10, len(FEATURE_NAMES))), np.ones(10))
    model = remeasured(replace(trained, reference=reference), labels=labels, scores=np.ones_like(scores))
    assert Page(render_report(model).decode()).tags.count("svg") == 7
