"""Series: numbers over time; from and to files, forecasts of them, and to and from profiles."""

from habitus.schema import Forecast, SeriesAxes
from habitus.series.checks import check_fit, check_variables
from habitus.series.convert import from_profiles, to_profiles
from habitus.series.data import Series
from habitus.series.files import check_table_path, read_about
from habitus.series.forecasts import ForecastTable, read_forecast, write_forecast
from habitus.series.pictures import picture_axes, pictures, series_pictures
from habitus.series.reading import read_series
from habitus.series.writing import write_series

__all__ = [
    "Forecast",
    "ForecastTable",
    "Series",
    "SeriesAxes",
    "check_fit",
    "check_table_path",
    "check_variables",
    "from_profiles",
    "picture_axes",
    "pictures",
    "read_about",
    "read_forecast",
    "read_series",
    "series_pictures",
    "to_profiles",
    "write_forecast",
    "write_series",
]
