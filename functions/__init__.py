"""Thin triggers, one module a subject: decode, call one service, encode."""
