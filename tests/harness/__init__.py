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

"""The surroundings that tests run real services in.

    rabbitmq           a message broker of the run's own
    stock              stock Cinder over that broker, with one cinder.conf
      family           a service and the workers that it forks
      turns            what lets several processes share one SQLite file
    backends           options of backends for the drivers under test
    user_mount         remote mounts where the kernel has no NFS client
      mount_program    what stands in front of mount(8) and umount(8)
      mountd           the process that holds the mounts, and misbehaves
      handle_mount     a mount that can be stale
    small_fs           file systems of a given size, on loop devices
    undertaker         ends processes when everybody else is dead
    sweeper            removes files outside of the folders of the tests
    box_shares         what an appliance has, while others work with it
    patience           how long what is alive may take
    impatience         drivers that wait for what is dead only for a moment
    pretended_zfs      what OpenZFS says to who makes several snapshots
    misbehaviour       how a hypervisor lets Cinder down
    recorder           plays Cinder for a hypervisor
    fixtures           some of it as pytest fixtures

Everything listens on the loopback address only. Whatever is started or
mounted here ends with the process that asked for it, by the kernel's
parent-death signal (``embedded.process``) or by the end of a pipe
(``embedded.keeper``, ``mountd``, ``undertaker``, ``sweeper``), so also when
that process is killed.
"""
