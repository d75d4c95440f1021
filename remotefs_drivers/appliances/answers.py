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


"""What an appliance's program says (scripts/common.sh), and errors of it."""

import dataclasses
import re

from remotefs_drivers import errors

_START = 'remotefs-answer 1\n'
_START_OF_ANY = 'remotefs-answer '
_END = re.compile(r'\nremotefs-end ([A-Za-z]+)((?:\t[^\t\n]*)*)\n\Z')

#: Characters of what it says that a message has.
_LONGEST = 500
#: Exit codes of a shell that could not run a program.
_NOT_RUN = (126, 127)

#: How sudo begins, and what it says where there is nothing to run.
_SUDO = 'sudo: '
_SUDO_NOT_RUN = 'command not found'
#: What a line of sudoers must be like, where sudo says no.
_PERMIT = ('/etc/sudoers.d there must let this user run, without a password, '
           'what appliance_program says, for what appliance_root says; or '
           'sh, where appliance_program is not set')

_INSTALL = ('Install the program that comes with this release there (see '
            'appliance_program).')


@dataclasses.dataclass(frozen=True)
class Question:
    """What was asked, for errors.

    :ivar appliance: its name
    :ivar share: that may be missing or in use
    :ivar snapshot: the same
    :ivar new: the name of the share or snapshot that was to be made, where
               it is another one
    """

    appliance: str
    what: str
    share: str = None
    snapshot: str = None
    new: str = None


def text_of(question, answer):
    """What a program had to say.

    :param answer: ssh.Answer
    :returns: str; bytes that are no text are surrogates in it
    :raises ApplianceError: the one that the program named, or that tells
                            why it said nothing
    """
    output = answer.output.decode('utf-8', 'surrogateescape')
    # A login may greet before it.
    __, start, text = output.partition(_START)
    end = _END.search(text)
    if not start:
        raise _unasked(question, answer, output)
    if end is None:
        raise errors.ApplianceUnavailable(
            appliance=question.appliance, what=question.what,
            reason='the answer has no end (exit code %d)' % answer.status)
    name, fields = end.group(1), end.group(2).split('\t')[1:]
    if name == 'OK':
        return text[:end.start()]
    raise _error(question, name, fields)


def _unasked(question, answer, output):
    """The program did not begin."""
    complaint = answer.complaint.decode('utf-8', 'replace').strip()
    reason = '%s (exit code %d)' % (_short(
        complaint or output.strip() or 'it said nothing'), answer.status)
    if _START_OF_ANY in output:
        return errors.ApplianceNotReady(
            appliance=question.appliance, remedy=_INSTALL,
            reason='its program is of another release')
    by_sudo = complaint.startswith(_SUDO)
    if answer.status in _NOT_RUN or (by_sudo and _SUDO_NOT_RUN in complaint):
        return errors.ApplianceNotReady(
            appliance=question.appliance, reason=reason, remedy=_INSTALL)
    if answer.status < 0:
        return errors.ApplianceUnavailable(
            appliance=question.appliance, what=question.what, reason=reason)
    if by_sudo:
        reason = '%s; %s' % (reason, _PERMIT)
    return errors.ApplianceDenied(
        appliance=question.appliance, what=question.what, reason=reason)


def _error(question, name, fields):
    fields = [*map(_short, fields), '', '']
    return _ERRORS.get(name, _failed)(question, fields[0], fields[1])


def _short(text):
    """The beginning: sudo repeats all of the program that it does not run.
    """
    return text if len(text) <= _LONGEST else text[:_LONGEST] + ' ...'


# Each gets the question and the first two fields that came with its name.

def _share_exists(question, first, second):
    return errors.ApplianceShareExists(
        appliance=question.appliance, what=question.what,
        share=question.new or question.share)


def _share_missing(question, first, second):
    return errors.ApplianceShareMissing(
        appliance=question.appliance, what=question.what,
        share=first or question.share)


def _share_in_use(question, first, second):
    return errors.ApplianceShareInUse(
        appliance=question.appliance, what=question.what,
        share=question.share, reason=first)


def _snapshot_exists(question, first, second):
    return errors.ApplianceSnapshotExists(
        appliance=question.appliance, what=question.what,
        share=first or question.share,
        snapshot=second or question.new or question.snapshot)


def _snapshot_missing(question, first, second):
    return errors.ApplianceSnapshotMissing(
        appliance=question.appliance, what=question.what,
        share=question.share, snapshot=question.snapshot)


def _snapshot_in_use(question, first, second):
    return errors.ApplianceSnapshotInUse(
        appliance=question.appliance, what=question.what,
        share=question.share, snapshot=question.snapshot, reason=first)


def _rollback_refused(question, first, second):
    return errors.ApplianceRollbackRefused(
        appliance=question.appliance, what=question.what,
        share=question.share, snapshot=question.snapshot, reason=first)


def _unsupported(question, first, second):
    return errors.ApplianceUnsupported(
        appliance=question.appliance, what=question.what)


def _full(question, first, second):
    return errors.ApplianceFull(
        appliance=question.appliance, what=question.what, reason=first)


def _not_ready(question, first, second):
    return errors.ApplianceNotReady(
        appliance=question.appliance, reason=first, remedy=second)


def _failed(question, first, second):
    return errors.ApplianceError(
        appliance=question.appliance, what=question.what, reason=first)


_ERRORS = {
    'Full': _full,
    'NotReady': _not_ready,
    'RollbackRefused': _rollback_refused,
    'ShareExists': _share_exists,
    'ShareInUse': _share_in_use,
    'ShareMissing': _share_missing,
    'SnapshotExists': _snapshot_exists,
    'SnapshotInUse': _snapshot_in_use,
    'SnapshotMissing': _snapshot_missing,
    'Unsupported': _unsupported,
}
