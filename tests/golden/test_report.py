# SPDX-License-Identifier: Apache-2.0
"""The report on known captures (report.py): nothing is missing, and no explanation is without need."""
import pytest

import report
from fishbowl import captures


@pytest.fixture(scope='module', name='made')
def make_report():
    if not captures():
        pytest.skip('no captures in ../shared')
    return report.make()[0]


def test_nothing_is_missing(made):
    assert made.total('met') > 1300
    assert not [f'{one.capture}: {one.kind}: {one.finding}' for one in made.missing()]


def test_explanations_are_needed(made):
    assert not made.unneeded


def of(capture, finding, met, files=()):
    return report.Expectation(capture, 'kind', finding, met, frozenset(files))


def test_what_is_an_error():
    why = {('a', 'kind', 'x'): ('because', None), ('a', 'kind', 'y'): ('because', 'sum')}
    fine = report.Report([of('a', 'x', False), of('a', 'y', False, ['sum']), of('a', 'z', True)], why)
    assert not fine.failed() and fine.total('explained') == 2
    assert report.Report([of('a', 'z', False)], {}).failed()  # missing
    assert report.Report([of('a', 'x', True), of('a', 'y', False, ['sum'])], why).unneeded == [('a', 'kind', 'x')]
    assert report.Report([of('a', 'y', False, ['other'])], {('a', 'kind', 'y'): ('because', 'sum')}).failed()
    assert report.Report([], why).failed()  # explains what nobody expects
