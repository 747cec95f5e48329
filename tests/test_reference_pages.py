"""The pages of the command line and of the API say what there is: they are made from it."""

from __future__ import annotations

from types import ModuleType

import pytest

import api_page
import cli_page
import metrics_page


@pytest.mark.parametrize("maker", [cli_page, api_page], ids=["cli", "api"])
def test_the_page_is_what_its_maker_writes(maker: ModuleType) -> None:
    assert maker.PAGE.read_text("utf-8") == maker.page(), f"python tests/{maker.__name__}.py writes it anew"


def test_what_is_made_of_metrics_and_alerts_is_as_they_are() -> None:
    for path, text in metrics_page.files().items():
        assert path.read_text("utf-8") == text, f"{path.name}: python tests/metrics_page.py writes it anew"
