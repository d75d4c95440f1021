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
"""An appliance that is cut off from a driver, or the driver from it.

At each call: the service is killed before it; the request is lost; it is done
and the answer is lost; it is done later, after all that the verb does about
that; and the box is gone from then on, with or without having done it. Where
half of a thing can be done, the box stops there. That a service is killed
after a call is the next place, since nothing changes in between.

Nothing that a box does by itself is cut: it promises to survive that.
"""

from remotefs_drivers.appliances import interface
from remotefs_drivers.embedded.folders import faults
from remotefs_drivers import errors

_CHANGING = ('create_share', 'delete_share', 'resize_share', 'rename_share',
             'create_snapshot', 'create_snapshots', 'delete_snapshot',
             'rename_snapshot', 'clone_snapshot', 'promote', 'roll_back')
_LOOKING = ('find_share', 'list_shares')
#: Of which half can be done.
_LONG = ('delete_share',)


class Box:
    """Stands before an appliance.

    :param points: cuts.Points
    :param real: embedded.folders.FolderAppliance
    """

    def __init__(self, points, real):
        self._points = points
        self._real = real
        self._is_gone = False
        for names, call in ((_CHANGING, self._change),
                            (_LOOKING, self._look)):
            for name in names:
                setattr(self, name, self._cut(name, call))

    def __getattr__(self, name):
        return getattr(self._real, name)

    def _cut(self, name, call):
        function = getattr(self._real, name)

        def do(*args):
            with self._points.resting():
                return function(*args)

        def cut(*args):
            if self._is_gone:
                raise self._no_answer(name)
            return call(name, do, args)
        return cut

    def _change(self, name, do, args):
        self._points.reach('before %s' % name)
        if name in _LONG:
            self._stop_half_way(name)
        self._look(name, do, args, only_faults=True)
        if self._points.strike('late %s' % name, lambda: _do(do, args)):
            raise self._no_answer(name)
        self._is_gone = self._points.strike('gone after %s' % name)
        is_lost = self._points.strike('lost answer of %s' % name)
        result = do(*args)
        if self._is_gone or is_lost:
            raise self._no_answer(name)
        return result

    def _look(self, name, do, args, only_faults=False):
        self._is_gone = self._points.strike('gone before %s' % name)
        if self._points.strike('lost %s' % name) or self._is_gone:
            raise self._no_answer(name)
        return None if only_faults else do(*args)

    def _stop_half_way(self, name):
        if self._points.is_at('die within %s' % name):
            self._real.faults.add(name, faults.DIE)
        if self._points.strike('half of %s' % name):
            self._real.faults.add(name, faults.HALF)

    def _no_answer(self, name):
        return errors.ApplianceUnavailable(
            appliance=self._real.name, what=name, reason='it was cut off')


def _do(do, args):
    """What comes late may have become impossible."""
    try:
        do(*args)
    except errors.ApplianceError:
        pass


assert set(_CHANGING + _LOOKING) <= set(dir(interface.Appliance))
