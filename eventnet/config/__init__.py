"""Configurations: YAML files checked to the last field, and what they come to (see docs/configuration.md)."""

from eventnet.config.config import Config, dump, load_config, with_origin, with_overrides
from eventnet.config.describing import Labels, describe, warnings_of_classes
from eventnet.config.shipped import find_config, shipped_configs

__all__ = [
    "Config",
    "Labels",
    "describe",
    "dump",
    "find_config",
    "load_config",
    "shipped_configs",
    "warnings_of_classes",
    "with_origin",
    "with_overrides",
]
