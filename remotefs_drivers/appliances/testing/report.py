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


"""What is said of an appliance, besides which tests failed."""


class Report:
    """Lines, made when they are asked for.

    :param seen: box.Seen
    :param slowest: method -> seconds
    """

    def __init__(self, seen, slowest):
        self._seen = seen
        self._slowest = slowest

    def __iter__(self):
        yield from self._seen.lines()
        calls = sorted(self._slowest.items(), key=lambda each: -each[1])
        yield 'slowest calls: ' + ', '.join(
            '%s %.2f s' % each for each in calls[:5])
