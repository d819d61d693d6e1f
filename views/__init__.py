"""The pages of the dashboard: read inputs, call a module, lay out figures."""
