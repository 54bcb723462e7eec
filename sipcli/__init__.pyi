from sipcli.config import Config as Config
from sipcli.contexts import ClientContext as ClientContext
from sipcli.contexts import InviteServerContext as InviteServerContext
from sipcli.contexts import MessageServerContext as MessageServerContext
from sipcli.contexts import RequestFailed as RequestFailed
from sipcli.contexts import ServerContext as ServerContext
from sipcli.lab.server import Lab as Lab
from sipcli.sip.digest import Credentials as Credentials
from sipcli.sip.errors import ConfigError as ConfigError
from sipcli.sip.errors import LocalProtocolError as LocalProtocolError
from sipcli.sip.errors import ParseError as ParseError
from sipcli.sip.errors import RemoteProtocolError as RemoteProtocolError
from sipcli.sip.errors import SipError as SipError
from sipcli.sip.events import Cause as Cause
from sipcli.sip.message import Request as Request
from sipcli.sip.message import Response as Response
from sipcli.trace import TraceRecord as TraceRecord
from sipcli.ua import UA as UA

__version__: str
__all__: list[str]
