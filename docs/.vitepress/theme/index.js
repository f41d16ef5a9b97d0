import DefaultTheme from 'vitepress/theme'
import Matrix from './Matrix.vue'
import './style.css'

export default { extends: DefaultTheme, enhanceApp({ app }) { app.component('Matrix', Matrix) } }
