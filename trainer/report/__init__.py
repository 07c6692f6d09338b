"""Reports about runs, comparisons and datasets: plots, tables, HTML reports, model cards."""
