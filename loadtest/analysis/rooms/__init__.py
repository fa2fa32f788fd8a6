"""Rooms: who should have received what, who has, and after how long."""
