"""Text messages about calls for help, by a GSM modem on a serial port: the way that needs no network of the house."""
