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

"""Sphinx: how the manual is built (``tox -e docs``)."""

extensions = [
    'openstackdocstheme',
    'oslo_config.sphinxext',
]

project = 'remotefs_drivers'
copyright = 'remotefs_drivers developers'
master_doc = 'index'
exclude_patterns = []
pygments_style = 'native'

html_theme = 'openstackdocs'
html_theme_options = {'show_other_versions': False, 'display_badge': False}
html_show_sourcelink = False

# Not a repository of OpenStack's: no bug tracker and no version to look up.
openstackdocs_auto_name = False
openstackdocs_auto_version = False
openstackdocs_use_storyboard = False
