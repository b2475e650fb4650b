"""Hooks for schemathesis: every other well-formed id in a path becomes one that exists.

Random ids alone would only ever find 404. Which kind of id is meant, the segment before it says:
`/events/{eventId}` means an event.
"""

import json
import os
import re
import uuid

import schemathesis

IDS = json.loads(os.environ.get("GOTICKET_FUZZ_IDS", "{}"))
PARAMETER = re.compile(r"/([a-z-]+)/\{(\w+)\}")


@schemathesis.hook
def map_path_parameters(context, path_parameters):
    for kind, name in PARAMETER.findall(context.operation.path):
        known = IDS.get(kind)
        value = (path_parameters or {}).get(name)
        # What is malformed was made so on purpose. The choice hangs on the value, so that runs repeat.
        if known and well_formed(value) and (number := uuid.UUID(value).int) % 2:
            path_parameters[name] = known[number // 2 % len(known)]
    return path_parameters


def well_formed(value) -> bool:
    try:
        uuid.UUID(value)
    except (ValueError, TypeError, AttributeError):
        return False
    return True
