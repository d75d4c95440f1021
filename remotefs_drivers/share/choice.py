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

"""Choosing the share for a new volume. Pure: works on given capacities."""

from oslo_utils import units

from remotefs_drivers import errors


def choose(capacities, size, thick, reserved_percentage=0):
    """The share with most free room that can take the volume.

    :param capacities: Share -> Capacity, or the reason why there is none
    :param size: of the volume, GiB
    :param thick: whether the whole size is taken at once; a thin volume may
                  be larger than what is free now
    :param reserved_percentage: of the capacity, kept free
    :raises NoSuitableShare: with the reason for each share
    """
    reasons = {}
    best = None
    for share, capacity in capacities.items():
        reason = _objection(capacity, size, thick, reserved_percentage)
        if reason:
            reasons[share.location] = reason
        elif best is None or capacity.free > capacities[best].free:
            best = share
    if best is None:
        raise errors.NoSuitableShare(volume_size=size,
                                     reasons=describe(reasons))
    return best


def describe(reasons):
    """Reasons by share as one text for an error message."""
    if not reasons:
        return 'there are none'
    return '; '.join('%s: %s' % item for item in sorted(reasons.items()))


def _objection(capacity, size, thick, reserved_percentage):
    if isinstance(capacity, (str, Exception)):
        return str(capacity)
    reserved = capacity.total * reserved_percentage // 100
    room = max(capacity.free - reserved, 0)
    if room == 0:
        return 'it is full'
    if thick and room < size * units.Gi:
        return 'only %.2f GiB are free' % (room / units.Gi)
    return None
