"""What every process needs: signals, logs, exit codes, totals."""
