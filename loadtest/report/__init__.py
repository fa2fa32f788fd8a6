"""From numbers to people: units, tables and plots of the values of `analysis`. Computes no statistic, opens no run."""
