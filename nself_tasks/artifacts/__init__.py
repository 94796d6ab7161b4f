"""PURE: one file per kind of project artifact; each exports `KIND`."""
