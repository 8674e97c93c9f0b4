//! The shop in one process: gateway, pump, pages, command line.
