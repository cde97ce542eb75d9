/** Fluent's themes, with the fonts and the link colours of the console. */

import { type Theme as FluentTheme, webDarkTheme, webLightTheme } from '@fluentui/react-components';
import type { Theme } from './theme';

const FONT = "'Segoe UI Variable Text', 'Segoe UI', system-ui, -apple-system, sans-serif";

export const fluentThemes: Record<Theme, FluentTheme> = {
  light: {
    ...webLightTheme,
    fontFamilyBase: FONT,
    colorBrandBackground: '#0f5bb0',
    colorBrandBackgroundHover: '#0d4f9a',
    colorBrandBackgroundPressed: '#0a3f7c',
  },
  dark: {
    ...webDarkTheme,
    fontFamilyBase: FONT,
    colorBrandBackground: '#0f5bb0',
    colorBrandBackgroundHover: '#1668c4',
    colorBrandBackgroundPressed: '#0d4f9a',
    colorNeutralBackground1: '#292929',
  },
};
