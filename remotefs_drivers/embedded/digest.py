#    Licensed under the Apache License, Version 2.0 (the "License"); you may
#    not use this file except in compliance with the License. You may obtain
#    a copy of the License at
#
#         http://www.apache.org/licenses/LICENSE-2.0
#
#    Unless required by applicable law or agreed to in writing, software
#    distributed under the License is distributed on an "AS IS" BASIS, WITHOUT
#    WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the
#    License for the specific language governing permissions and limitations
#    under the License.

"""What a log says besides that all is well. Pure."""

import re

# "2026-01-01 12:00:00.000 123 INFO name [request] text" as oslo.log writes
# it, and "[2026-01-01 12:00:00 +0000] [123] [INFO] text" as gunicorn does.
_CHATTER = re.compile(r'\S+ \S+ \d+ (INFO|DEBUG) |'
                      r'\[[^]]*\] \[\d+\] \[(INFO|DEBUG)\] ')
_CHANGING = re.compile(r'^\S+ \S+ \d+ (?=[A-Z]+ )| \[(req-|None req-|-\])'
                       r'[^]]*\]?|^\[[^]]*\] \[\d+\] ')


def digest(text, limit):
    """The last ``limit`` lines of weight, each only once.

    Of lines that differ only in time, process and request the last counts.
    """
    seen = set()
    lines = []
    for line in reversed(text.splitlines()):
        if _CHATTER.match(line):
            continue
        meaning = _CHANGING.sub('', line)
        if meaning not in seen:
            seen.add(meaning)
            lines.append(line)
        if len(lines) == limit:
            break
    return '\n'.join(reversed(lines))
