# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Connection options of every module."""

from __future__ import annotations


class ModuleDocFragment:
    """How a module reaches the cluster."""

    DOCUMENTATION = r"""
options:
  host:
    description:
      - Addresses or names of nodes of the cluster, or its one DNS name.
      - If several are given, the module fails over to the next node. All must belong to the same cluster.
      - Write V(qumulo.example.com), V(10.0.0.11) or V(2001:db8::1). Brackets around an IPv6 address, blanks around a host, and a port that equals O(port)
        are accepted. A URL, another port, and an IPv6 address with a zone are refused.
      - If not set, the environment variable E(QUMULO_HOST) is used (several separated by commas).
    type: list
    elements: str
    required: true
  port:
    description:
      - Port of the REST API.
      - If not set, the environment variable E(QUMULO_PORT) is used. An empty variable counts as not set. This holds for all variables.
    type: int
    default: 8000
  username:
    description:
      - Name of the account, with O(password). The module logs in for each run.
      - If not set, the environment variable E(QUMULO_USERNAME) is used.
    type: str
  password:
    description:
      - Password of the account O(username). Line breaks at its end are dropped, and other control characters are refused.
      - If not set, the environment variable E(QUMULO_PASSWORD) is used.
    type: str
  access_token:
    description:
      - Access token of an account, the value of C(bearer_token) in what C(qq auth_create_access_token) prints. It is used instead of O(username).
      - Blanks and line breaks around it are dropped. A token that cannot be sent in an HTTP header is refused, without showing it.
      - If not set, the environment variable E(QUMULO_ACCESS_TOKEN) is used.
    type: str
  access_token_file:
    description:
      - File on the host that the module runs on, which holds nothing but an access token, in UTF-8 or UTF-16. It must be a regular file.
    type: path
  credentials_file:
    description:
      - File with the credentials that C(qq login --credentials-store) has written on the host that the module runs on.
      - If no credentials are given, the default credential store of C(qq login) for O(host) is used.
    type: path
  validate_certs:
    description:
      - Whether the certificate of the cluster is verified. Set to V(false) only on networks where man-in-the-middle attacks are impossible.
    type: bool
    default: true
  ca_path:
    description:
      - File or directory (PEM) with the CA certificate that signed that of the cluster.
      - If not set, the environment variable E(QUMULO_CA_PATH) is used, or else the trust store of the host.
    type: path
  timeout:
    description:
      - Seconds to wait for a connection (10 at most) and for each answer.
    type: float
    default: 30.0
  retries:
    description:
      - How often a request is repeated when a node does not answer or the cluster is busy.
      - Only requests that can do no harm when they are sent twice are repeated, for two minutes at most.
    type: int
    default: 10
requirements:
  - python >= 3.9
  - qumulo-api >= 7.2.1
"""
