# SPDX-License-Identifier: Apache-2.0
def pytest_addoption(parser):
    parser.addoption("--accept", action="store_true", help="take the records of now as expected")
