# SPDX-License-Identifier: Apache-2.0
"""What golden and lab tests share: where the build and the shared test data are, and honest skipping."""
import ctypes
import os
import pathlib

import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent
CLONE_NEWNET = 0x40000000
SKIPPED = 77  # exit status that meson shows as SKIP


def lab_obstacle():
    """Why this machine cannot run labs, in words; None when it can."""
    if os.geteuid() != 0:
        return 'labs need root'
    child = os.fork()
    if child == 0:
        os._exit(0 if ctypes.CDLL(None).unshare(CLONE_NEWNET) == 0 else 1)
    if os.waitpid(child, 0)[1] != 0:
        return 'labs need network namespaces, which this kernel or container does not allow'
    return None


def pytest_collection_modifyitems(items):
    labs = [item for item in items if (ROOT / 'tests/lab') in pathlib.Path(item.path).parents]
    obstacle = lab_obstacle() if labs else None
    for item in labs if obstacle else []:
        item.add_marker(pytest.mark.skip(reason=obstacle))


def pytest_sessionfinish(session, exitstatus):
    """Nothing failed and nothing passed: that is a skip, not a success."""
    reporter = session.config.pluginmanager.get_plugin('terminalreporter')
    if reporter and exitstatus in (0, 5) and not reporter.stats.get('passed'):
        session.exitstatus = SKIPPED


@pytest.fixture(scope='session')
def build():
    """The build directory."""
    return pathlib.Path(os.environ.get('FISHBOWL_BUILD', ROOT / 'build'))


@pytest.fixture(scope='session')
def fishbowl(build):
    """The command."""
    return build / 'src/cmd/fishbowl/fishbowl'


@pytest.fixture(scope='session')
def shared():
    """Test data that is not part of the project; the test is skipped where it is not there."""
    path = pathlib.Path(os.environ.get('FISHBOWL_SHARED', ROOT.parent / 'shared'))
    if not (path / 'data').is_dir():
        pytest.skip(f'no shared test data at {path}')
    return path
