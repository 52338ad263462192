"""Methods side by side on one model and one set of samples: what ``mmx evaluate`` runs."""
