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

"""``volume-<id>.intent``: the plan that is under way, as JSON.

Written before the first step of a plan and removed after its last one, both
by ``executor``. Whoever can write to the share can write a journal, so what
is read is held against what a plan may be: known steps, on files of this
volume only. What an appliance is asked for may be about other volumes, so of
that only what does no harm at any time, to undo a plan.
"""

import json

from remotefs_drivers.chain import info as chain_info
from remotefs_drivers.chain import model
from remotefs_drivers.chain import plan
from remotefs_drivers.chain import share_steps
from remotefs_drivers.chain import sharing
from remotefs_drivers.chain import steps
from remotefs_drivers import errors
from remotefs_drivers import names

#: Of plans with a guest in them, which whoever knows the first version only
#: would begin again without looking.
_GUEST_VERSION = 2
_VERSION = 1


def dumps(a_plan):
    """The text for a plan."""
    if a_plan.guest is None:
        return json.dumps(_plain(a_plan), indent=1)
    return json.dumps(dict(_plain(a_plan), version=_GUEST_VERSION,
                           guest=steps.as_data(a_plan.guest)), indent=1)


def _plain(a_plan):
    return {
        'version': _VERSION,
        'verb': a_plan.verb,
        'snapshot': a_plan.snapshot,
        'before': chain_info.as_table(a_plan.before),
        'after': chain_info.as_table(a_plan.after),
        'prepare': _as_data(a_plan.prepare),
        'finish': _as_data(a_plan.finish),
        'undo': _as_data(a_plan.undo),
    }


def loads(text, base, path):
    """The plan that a text says.

    :param base: the name of the volume's base
    :param path: of the file, for messages
    :raises JournalInvalid: when it is no such text
    """
    try:
        data = json.loads(text)
        if not isinstance(data, dict) or data.get('version') not in (
                _VERSION, _GUEST_VERSION):
            raise ValueError('it is not of version %d or %d'
                             % (_VERSION, _GUEST_VERSION))
        return _harmless(_plan_of(data, base), base)
    except KeyError as error:
        raise errors.JournalInvalid(path=path, reason='%s is missing' % error)
    except (TypeError, ValueError, RecursionError) as error:
        raise errors.JournalInvalid(path=path, reason=error)


def _plan_of(data, base):
    return plan.Plan(
        verb=_text(data['verb']),
        snapshot=_optional(_text, data['snapshot']),
        prepare=_of_data(data['prepare'], base),
        before=chain_info.of_table(data['before'], base),
        after=chain_info.of_table(data['after'], base),
        finish=_of_data(data['finish'], base),
        undo=_optional(_of_data, data['undo'], base),
        guest=_guest(data, base))


def _harmless(a_plan, base):
    """A plan that an appliance has a part in will be undone, or nothing."""
    some = (*a_plan.prepare, *a_plan.finish, *(a_plan.undo or ()))
    if any(isinstance(step, share_steps.KINDS) for step in some) and (
            a_plan.changes_table or a_plan.guest or a_plan.undo is None or
            not all(sharing.is_harmless(base, step)
                    for step in a_plan.undo)):
        raise ValueError('it would have the appliance do what no plan with '
                         'a journal has it do')
    return a_plan


def _as_data(some):
    return None if some is None else [steps.as_data(each) for each in some]


def _optional(function, data, *args):
    return None if data is None else function(data, *args)


def _text(data):
    if not isinstance(data, str):
        raise ValueError('%r is not a text' % (data,))
    return data


def _of_data(data, base):
    if not isinstance(data, list):
        raise ValueError('%r is not a list of steps' % (data,))
    some = tuple(_step(each, base) for each in data)
    for step in some:
        if isinstance(step, steps.OF_GUESTS):
            raise ValueError('%r is done by a guest' % (step,))
    return some


def _step(data, base):
    return steps.of_data(data, lambda name: _is_name(base, name))


def _guest(data, base):
    if data['version'] == _VERSION:
        return None
    step = _step(data['guest'], base)
    if not isinstance(step, steps.OF_GUESTS):
        raise ValueError('%r is not done by a guest' % (step,))
    return step


def _is_name(base, name):
    return (model.is_layer(base, name) or
            name in names.all_temporary(base))
