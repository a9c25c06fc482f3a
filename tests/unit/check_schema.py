#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""check_schema.py FISHBOWL PRINT_RECORDS: every printed record validates, a changed one does not."""
import json
import subprocess
import sys

try:
    import jsonschema
except ImportError:
    print('skipped: python3-jsonschema is not installed')
    sys.exit(77)


def main():
    schema = json.loads(subprocess.check_output([sys.argv[1], 'schema']))
    jsonschema.Draft202012Validator.check_schema(schema)
    lines = subprocess.check_output([sys.argv[2]]).decode().splitlines()
    # One definition at a time: the message then names the fault, and it is much faster.
    validators = {name[6:]: jsonschema.Draft202012Validator(dict(definition, **{'$defs': schema['$defs']}))
                  for name, definition in schema['$defs'].items() if name.startswith('event-')}
    for line in lines:
        record = json.loads(line)
        validators[record['event_type']].validate(record)
    whole = jsonschema.Draft202012Validator(schema)
    for line in lines[:50]:
        record = json.loads(line)
        whole.validate(record)
        # Some types carry what a protocol's parser says.
        closed = not schema['$defs']['event-' + record['event_type']]['additionalProperties']
        assert whole.is_valid(dict(record, more=1)) != closed
        assert not whole.is_valid(dict(record, fishbowl={'more': 1}))
        assert not whole.is_valid(dict(record, event_type='other'))
        record.pop('timestamp')
        assert not whole.is_valid(record)
    types = {json.loads(line)['event_type'] for line in lines}
    assert types == set(validators), set(validators) - types
    print(f'{len(lines)} records of {len(types)} types are valid')


main()
