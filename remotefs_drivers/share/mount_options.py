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

"""Mount options of one share put together. Pure.

``nfs_mount_options`` is for all shares, and a share's line in the shares
file may say otherwise. mount.nfs refuses two versions, and os-brick, which
is told of the general options only, would try versions that the share does
not want. So it gets one list of options, in which the share's own win.
"""

import re

#: Options of which one takes the place of the other, by a name for all.
_SAME = {'nfsvers': 'vers',
         'tcp': 'proto', 'tcp6': 'proto', 'udp': 'proto', 'udp6': 'proto',
         'rdma': 'proto',
         'soft': 'hard', 'softerr': 'hard',
         'bg': 'fg', 'rw': 'ro', 'async': 'sync'}
#: v3, v4, v4.2: the short form of vers.
_VERSION = re.compile(r'^v\d')
#: Commas within quotes divide nothing: context="system_u:object_r:x:s0,c1".
_ONE = re.compile(r'(?:"[^"]*"|[^,"]|")+')


def merge(general, own):
    """The options of a share, and what else its line has for mount.

    :param general: for all shares, such as 'vers=4.1,hard', or None
    :param own: what stands behind the share, such as '-o vers=4.2 -v', or
                None
    :returns: (options, flags): 'hard,vers=4.2' or None, and ['-v']
    """
    chosen, flags = _divide((own or '').split())
    taken = set().union(*(_displaced(option) for option in chosen))
    kept = [option for option in _split(general or '')
            if _key(option) not in taken]
    return ','.join(kept + chosen) or None, flags


def _divide(words):
    """(options, flags) of the words of a share's line."""
    options, flags = [], []
    words = iter(words)
    for word in words:
        if word in ('-o', '--options'):
            options += _split(next(words, ''))
        elif word.startswith('--options='):
            options += _split(word.split('=', 1)[1])
        elif word.startswith('-o'):
            options += _split(word[2:])
        else:
            flags.append(word)
    return options, flags


def _split(text):
    options = (option.strip() for option in _ONE.findall(text))
    return [option for option in options if option]


def _displaced(option):
    """The keys of what gives way to an option."""
    key = _key(option)
    return {key, 'minorversion'} if key == 'vers' else {key}


def _key(option):
    """One name for all options that contradict each other."""
    name = option.split('=', 1)[0].strip()
    if _VERSION.match(name):
        return 'vers'
    if name.startswith('no'):
        name = name[len('no'):]
    return _SAME.get(name, name)
