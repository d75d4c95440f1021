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

"""IBM Storage Scale (GPFS) as far as a volume driver sees it, emulated.

``storage`` is what tests and demonstrations use. A process of its own
(``server``) mounts a folder as often as there are hosts, and answers the mm*
programs (``program``). What the real one would refuse is refused: requests
for files go through ``passing``, which has one module for each subject,
programs through ``commands`` and the two beside it, and all ask ``cluster``,
which knows clones, filesets and snapshots. ``beneath`` is where the files
are, ``kernel`` and ``mounting`` are FUSE, ``locking`` the locks of all hosts,
``printing`` what programs print, ``faults`` what goes wrong on demand.

Made by what IBM's documentation says and what public code parses; a real
one was not at hand. The library itself never imports it.
"""
