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

"""The drivers for NFS on a real server and client, those of a Linux kernel.

``pytest tests/realnfs`` as root: the tests of ``inside`` run in a small
virtual machine, but are chosen, shown and counted like any other.

How it goes:

* ``dispatch`` (the pytest plugin of the host) builds the ``image`` once,
  starts a ``machine``, and hands it one test after the other by ``link``;
* the machine boots with ``guest/init``, then runs the script of ``start``:
  ``guest/serve`` sets up users and the NFS server while ``guest/worker``, a
  pytest plugin too, imports the tests, and forks into one process for root
  and one for an ordinary user (mark ``service_user``);
* the root of the machine is the host's, which it can read and not change: so
  the repository, the virtual environment and qemu-img are the host's own, at
  their own paths. What the host need not have installed (kernel, NFS server)
  comes from its package sources, by ``packages``.

A test of ``inside`` is an ordinary pytest test. ``inside/conftest.py`` has its
fixtures, ``guest/layout.py`` the shares; ``inside/boxes`` and ``ssh_boxes``
make an appliance of the machine, whose shares its own server exports. A mark
``limit(seconds)`` gives a test more time than ``dispatch`` does.
``test_harness`` shows by ``cases`` that each way in which one can end is seen
on the host.

Environment: ``REALNFS_CACHE`` (folder for the image, default
``~/.cache/remotefs-drivers``), ``REALNFS_ACCEL`` (of qemu: ``tcg``, the
default, or ``kvm``).
"""
