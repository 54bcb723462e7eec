"""Configuration: one list of parameters, and where their values come from."""

from sipcli.config.directories import config_path, state_directory
from sipcli.config.loading import load
from sipcli.config.options import GROUPS, Opt, Origin, Parameter
from sipcli.config.parameters import PARAMETERS, Config

__all__ = ["GROUPS", "PARAMETERS", "Config", "Opt", "Origin", "Parameter", "config_path", "load", "state_directory"]
